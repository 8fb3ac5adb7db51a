/** Shows what a search finds: runs it when the query changes, draws cards, and goes on at the end of the page. */

import { card, skeletons } from "./card.js";
import { byId, h } from "./dom.js";
import { counted, milliseconds } from "./format.js";
import { announce, problemToast, toast } from "./notices.js";
import { openProduct } from "./product.js";
import { queryLine } from "./searchbar.js";
import { Session } from "./session.js";
import { beginAnew, likeOf } from "./state.js";
import { emptyState, problemState } from "./states.js";

const SLOW_MS = 250;

/** Results that follow the store; `onfacets` gets new counts, `onfirst` the first products ever seen. */
export function resultsView(store, facts, { onfacets, onpage }) {
  const view = { session: null, attempt: 0, stop: () => {}, drawn: 0, loading: false, failed: false };
  // A card belongs to the search that found it, also while the next one is under way.
  const actsOf = (session) => {
    const act = {
      open: (product) => openProduct(product, { session, facts, act }),
      why: (product) => openProduct(product, { session, facts, act, why: true }),
      similar: (product) => similar(store, product),
    };
    return act;
  };
  const draw = (products, session) => {
    const act = actsOf(session);
    byId("grid").append(...products.map((product, place) => card(product, { attributes: facts.attributes, act, place: view.drawn + place })));
    view.drawn += products.length;
  };

  async function run() {
    view.session?.stop();
    view.stop();
    const session = new Session(store.get(), facts);
    view.session = session;
    view.failed = false;
    const waiting = setTimeout(() => byId("progress").removeAttribute("hidden"), SLOW_MS);
    const grid = byId("grid");
    if (!view.drawn) grid.replaceChildren(...skeletons(12));
    grid.setAttribute("aria-busy", "true");
    try {
      if (onlyMinus(store.get())) {
        show(session, { hits: [], total: 0, truncated: false, facets: {}, timings: {}, took: 0 });
        return;
      }
      const page = await session.first();
      if (view.session !== session) return;
      view.attempt = 0;
      show(session, page);
      onpage(page, session);
      await recount(session, page.facets);
    } catch (problem) {
      if (problem.name !== "AbortError" && view.session === session) fail(problem);
    } finally {
      clearTimeout(waiting);
      if (view.session === session) {
        byId("progress").hidden = true;
        grid.removeAttribute("aria-busy");
      }
    }
  }

  /** New counts; without them the results still stand. */
  async function recount(session, counted) {
    const filtered = Object.keys(session.state.filters);
    onfacets(counted, filtered);
    if (!filtered.length) return;
    try {
      const others = await session.otherFacets();
      if (view.session === session) onfacets({ ...counted, ...others });
    } catch (problem) {
      if (view.session === session) problemToast(problem);
    }
  }

  function show(session, page) {
    view.drawn = 0;
    byId("grid").replaceChildren();
    byId("message").replaceChildren();
    draw(page.hits, session);
    byId("results-title").textContent = titleOf(session, page);
    showTiming(page);
    if (!page.hits.length) byId("message").replaceChildren(nothingFound(store));
    byId("more").hidden = session.next === null;
    watchEnd();
    announce(page.hits.length ? `${titleOf(session, page)}.` : "Nothing was found.");
  }

  function fail(problem) {
    view.failed = true;
    if (problem.code === "cursor_expired") {
      toast("The catalog was renewed meanwhile; these are the results of now.");
      run();
      return;
    }
    const { element, stop } = problemState(problem, {
      attempt: view.attempt,
      retry: () => {
        view.attempt += 1;
        run();
      },
      startOver: () => beginAnew(store),
    });
    view.stop = stop;
    view.drawn = 0;
    byId("grid").replaceChildren();
    byId("message").replaceChildren(element);
    byId("more").hidden = true;
    byId("timing").hidden = true;
    byId("results-title").textContent = "Results";
  }

  async function more() {
    const { session } = view;
    if (view.loading || !session || session.next === null) return;
    view.loading = true;
    const ghosts = skeletons(4);
    byId("grid").append(...ghosts);
    try {
      const products = await session.more();
      if (view.session !== session) return;
      for (const ghost of ghosts) ghost.remove();
      draw(products, session);
      byId("more").hidden = session.next === null;
      view.loading = false;
      watchEnd();
      announce(`${counted(products.length, "more product")}; ${view.drawn} are shown.`);
    } catch (problem) {
      if (problem.name === "AbortError" || view.session !== session) return;
      if (problem.code === "cursor_expired") fail(problem);
      else toast(`${problem.message} Press “Show more” to try again.`);
    } finally {
      view.loading = false;
      for (const ghost of ghosts) ghost.remove();
    }
  }

  byId("more").querySelector("button").addEventListener("click", more);
  const end = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && more(), { rootMargin: "600px" });
  /** Look anew: what was in sight before and still is would not be reported again. */
  function watchEnd() {
    end.disconnect();
    if (view.session?.next !== null) end.observe(byId("more"));
  }
  addEventListener("online", () => view.failed && run());
  store.listen((state, before) => {
    const same = ["words", "minus", "photos", "like", "filters", "prefer", "order", "grouped"].every((name) => state[name] === before[name]);
    if (same && !view.failed && (state.amount === before.amount || !state.words)) return;
    view.attempt = 0;
    run();
  });
  return { run };
}

function similar(store, product) {
  beginAnew(store, { grouped: store.get().grouped, like: likeOf(product) });
  scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  byId("results").focus({ preventScroll: true });
}

function titleOf(session, page) {
  const many = counted(page.total, "product", "products", page.truncated ? "+" : "");
  if (onlyMinus(session.state)) return "Results";
  if (!session.browsing) return `${many} for ${queryLine(session.state) || "your search"}`;
  return Object.keys(session.state.filters).length ? many : `${many} in the catalog`;
}

function showTiming(page) {
  const timing = byId("timing");
  const stages = Object.entries(page.timings);
  timing.hidden = !stages.length;
  if (!stages.length) return;
  const inside = stages.reduce((sum, [, spent]) => sum + spent, 0);
  timing.querySelector("summary").textContent = milliseconds(page.took);
  const rows = [...stages.filter(([, spent]) => spent >= 0.05), ["queue, network and browser", Math.max(0, page.took - inside)]];
  timing.querySelector("dl").replaceChildren(...rows.flatMap(([name, spent]) => [h("dt", {}, name), h("dd", {}, milliseconds(spent))]));
}

/** Minus-words alone say nothing to look for, and the service would refuse them. */
function onlyMinus({ words, photos, like, minus }) {
  return minus.length > 0 && !words && !photos.length && !like;
}

function nothingFound(store) {
  if (onlyMinus(store.get())) {
    const allow = ["Start over", () => beginAnew(store)];
    return emptyState("And what should it be?", "You said what it should not be. Add words or a photo of what to look for.", [allow]);
  }
  const { filters, minus, photos, words } = store.get();
  const actions = [];
  if (Object.keys(filters).length) actions.push(["Clear the filters", () => store.set({ filters: {} })]);
  if (minus.length) actions.push([`Allow ${minus.join(", ")}`, () => store.set({ minus: [] })]);
  actions.push(["Start over", () => beginAnew(store)]);
  const text = actions.length > 1 ? "No product fits all of it. Take something away and look again."
    : photos.length || words ? "Try other words, or a photo." : "The catalog is still empty.";
  return emptyState("Nothing found", text, actions);
}

