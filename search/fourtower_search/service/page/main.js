/** Starts the page: learns what the service can do, then joins search bar, filters, results and address. */

import { askForKey } from "./access.js";
import { followAddress } from "./address.js";
import { call, onKeyNeeded } from "./api.js";
import { skeletons } from "./card.js";
import { byId, h, icon } from "./dom.js";
import { loadFacts } from "./facts.js";
import { filterRail } from "./filters.js";
import { label } from "./format.js";
import { watchForPhotos } from "./intake.js";
import { toast } from "./notices.js";
import { orders } from "./requests.js";
import { resultsView } from "./results.js";
import { examplesFrom } from "./sampling.js";
import { queryLine, searchBar } from "./searchbar.js";
import { beginAnew, createStore, isQuery, joinWords, likeOf } from "./state.js";
import { problemState } from "./states.js";
import { keep, kept } from "./storage.js";
import { followThemeButton } from "./theme.js";

const TITLE = document.title;
const DEMO_SEEN = "fourtower-demo-seen";

const bar = Promise.withResolvers();

onKeyNeeded(askForKey);
followThemeButton(byId("theme"));
takeFromTheStart();
start(0);

/** What is entered before the service has said what it can do waits until then. */
function takeFromTheStart() {
  watchForPhotos(async (files) => (await bar.promise).take(files));
  byId("search").addEventListener("submit", async (event) => {
    event.preventDefault();
    (await bar.promise).search();
  });
}

async function start(attempt) {
  byId("grid").replaceChildren(...skeletons(8));
  try {
    const facts = await loadFacts();
    const store = createStore();
    followAddress(store, facts.attributes);
    await nameProduct(store);
    byId("message").replaceChildren();
    run(store, facts);
  } catch (problem) {
    byId("grid").replaceChildren();
    const retry = () => start(attempt + 1);
    byId("message").replaceChildren(problemState(problem, { attempt, retry, startOver: retry }).element);
  }
}

/** A link to products like another one names it by its id only. */
async function nameProduct(store) {
  const { like } = store.get();
  if (!like) return;
  const { products: [product] } = await call("products/lookup", { body: { ids: [like.id] } });
  if (product && store.get().like === like) store.set({ like: likeOf(product) }, { replace: true });
}

function run(store, facts) {
  bar.resolve(searchBar(store, facts));
  const rail = filterRail(store, facts.attributes);
  const onpage = (page, session) => {
    if (session.browsing) showExamples(store, page.hits, facts.attributes);
    if (page.hits.some((product) => product.group_id)) byId("variants").hidden = false;
  };
  const results = resultsView(store, facts, { onfacets: rail.show, onpage });
  toolbar(store, facts.attributes);
  if (facts.demo) demoBanner();
  const follow = (state) => {
    byId("hero").hidden = isQuery(state);
    byId("order").hidden = !isQuery(state);
    document.title = isQuery(state) ? `${queryLine(state)} – ${TITLE}` : TITLE;
  };
  store.listen(follow);
  follow(store.get());
  results.run();
}

function toolbar(store, attributes) {
  const order = byId("order").querySelector("select");
  order.replaceChildren(...orders(attributes, label).map(([value, text]) => h("option", { value }, text)));
  order.addEventListener("change", () => store.set({ order: order.value }));
  const variants = byId("variants").querySelector("input");
  variants.addEventListener("change", () => store.set({ grouped: variants.checked }));
  const show = ({ order: chosen, grouped }) => {
    order.value = chosen;
    if (order.selectedIndex < 0) order.value = "";
    variants.checked = grouped;
  };
  store.listen(show);
  show(store.get());
  byId("home").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    beginAnew(store);
    byId("words").focus();
  });
  byId("share").addEventListener("click", () => share(store));
}

async function share(store) {
  const note = store.get().photos.length ? "Link copied. Photos stay on this device, so the link has the rest of the search." : "Link copied.";
  try {
    await navigator.clipboard.writeText(location.href);
    toast(note);
  } catch {
    toast("The browser would not copy; the link is in the address bar.");
  }
}

function showExamples(store, products, attributes) {
  const list = byId("examples");
  if (list.childElementCount || !products.length) return;
  list.append(...examplesFrom(products, attributes).map(({ words, minus }) => h("li", {},
    h("button", { type: "button", class: "example", onclick: () => {
      beginAnew(store, { words, minus });
      byId("words").focus();
    } }, joinWords(words, []), minus.map((word) => h("span", { class: "minus-word" }, ` −${word}`))))));
}

function demoBanner() {
  const banner = byId("banner");
  if (kept("session", DEMO_SEEN)) return;
  const dismiss = () => {
    keep("session", DEMO_SEEN, "yes");
    banner.hidden = true;
    byId("words").focus();
  };
  banner.replaceChildren(
    h("p", {}, h("strong", {}, "Demo model. "), "It only knows drawings", h("span", { class: "wide-only" }, "; train or import one for photos of your own"), "."),
    h("button", { type: "button", class: "round", "aria-label": "Dismiss this note", onclick: dismiss }, icon("close")));
  banner.hidden = false;
}
