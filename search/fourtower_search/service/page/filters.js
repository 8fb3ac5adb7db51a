/** The filters beside the results, made from the declared schema and what was counted. */

import { choices, truth } from "./choices.js";
import { byId, h, icon } from "./dom.js";
import { day, label, number } from "./format.js";
import { range } from "./range.js";
import { openSheet } from "./sheets.js";

const WIDE = matchMedia("(min-width: 62rem)");

/** Filters that follow the store. Gives `{show}`, which takes new counts. */
export function filterRail(store, attributes) {
  const root = byId("facets");
  let facets = {};
  const draw = () => keepingFocus(root, () => [heading(store), ...groups(store, attributes, facets)]);
  store.listen((state, before) => {
    if (state.filters !== before.filters) draw();
    showActive(store, attributes);
  });
  byId("open-filters").addEventListener("click", () => openFilters(byId("filters")));
  showActive(store, attributes);
  return {
    show(counted) {
      facets = counted;
      draw();
    },
  };
}

/** Change one attribute's filter; null takes it away. */
export function setFilter(store, name, filter) {
  const { [name]: _, ...others } = store.get().filters;
  store.set({ filters: filter ? { ...others, [name]: filter } : others });
}

function heading(store) {
  const some = Object.keys(store.get().filters).length;
  return h("div", { class: "filters-head" },
    h("h2", {}, "Filters"),
    some ? h("button", { type: "button", class: "link", data: { focus: "clear" }, onclick: () => store.set({ filters: {} }) }, "Clear all") : null);
}

function groups(store, attributes, facets) {
  const { filters } = store.get();
  const drawn = Object.entries(attributes).map(([name, attribute]) => {
    const facet = facets[name];
    if (!attribute.filterable || (!facet && !filters[name])) return null;
    // Fields and thumbs change one end: the other may have changed since they were drawn.
    const change = (filter) => setFilter(store, name, typeof filter === "function" ? filter(store.get().filters[name] ?? null) : filter);
    const own = { name, type: attribute.type, facet: facet ?? { values: [], ranges: [] }, filter: filters[name], change };
    if (attribute.type === "bool") return truth(own);
    return attribute.type === "string" || attribute.type === "strings" ? choices(own) : range(own);
  });
  const shown = drawn.filter(Boolean);
  return shown.length ? shown : [h("p", { class: "quiet" }, "There is nothing to filter by yet.")];
}

function showActive(store, attributes) {
  const chips = Object.entries(store.get().filters).flatMap(([name, filter]) => active(store, name, filter, attributes[name].type));
  const list = byId("active");
  list.hidden = !chips.length;
  list.replaceChildren(...chips);
  byId("filter-count").textContent = chips.length ? ` · ${chips.length}` : "";
}

function active(store, name, filter, type) {
  if (filter.any) {
    return filter.any.map((value) => {
      const rest = filter.any.filter((other) => other !== value);
      return chip(value, `${label(name)}: ${value}`, () => setFilter(store, name, rest.length ? { any: rest } : null));
    });
  }
  const say = (bound) => (type === "time" ? day(bound) : number(bound, name));
  const text = "is" in filter ? (filter.is ? label(name) : `Not ${label(name).toLowerCase()}`)
    : filter.lo === null ? `${label(name)} up to ${say(filter.hi)}`
    : filter.hi === null ? `${label(name)} from ${say(filter.lo)}`
    : `${label(name)} ${say(filter.lo)} to ${say(filter.hi)}`;
  return [chip(text, text, () => setFilter(store, name, null))];
}

function chip(text, said, remove) {
  return h("li", {}, h("button", { type: "button", class: "active-chip", "aria-label": `Remove the filter ${said}`, onclick: () => {
    remove();
    (byId("active").querySelector("button") ?? byId("results")).focus();
  } }, text, icon("close")));
}

/** On narrow screens the filters come up from below; the same elements, moved there and back. */
function openFilters(root) {
  const sheet = openSheet({
    name: "filters",
    title: "Filters",
    content: root,
    actions: [h("button", { type: "button", class: "button primary", onclick: () => sheet.close() }, "Show the results")],
    onclose: () => {
      byId("rail").append(root);
      WIDE.removeEventListener("change", close);
    },
  });
  const close = () => sheet.close();
  WIDE.addEventListener("change", close);
}

let pressed = false;
addEventListener("pointerdown", () => {
  pressed = true;
}, true);
for (const kind of ["pointerup", "pointercancel"]) {
  addEventListener(kind, () => {
    pressed = false;
  }, true);
}

/** Draw anew what `make` gives, without taking anything away from under a finger, or from who is typing. */
function keepingFocus(root, make) {
  if (pressed) {
    addEventListener("pointerup", () => setTimeout(() => keepingFocus(root, make)), { once: true });
    return;
  }
  const active = root.contains(document.activeElement) ? document.activeElement : null;
  const focused = active?.dataset.focus;
  const typedIn = active?.matches("input[type=number], input[type=date]") ? active.closest(".facet") : null;
  const open = new Set([...root.querySelectorAll("[data-expanded=true]")].map((each) => each.dataset.name));
  const made = make();
  if (typedIn && made.some((each) => each.dataset.name === typedIn.dataset.name)) {
    // A focused element must stay where it is, so everything else is exchanged around it.
    const place = made.findIndex((each) => each.dataset.name === typedIn.dataset.name);
    for (const other of [...root.children]) if (other !== typedIn) other.remove();
    typedIn.before(...made.slice(0, place));
    typedIn.after(...made.slice(place + 1));
    root.addEventListener("focusout", () => setTimeout(() => keepingFocus(root, make)), { once: true });
    return;
  }
  root.replaceChildren(...made);
  for (const each of root.querySelectorAll("[data-name]")) if (open.has(each.dataset.name)) each.dataset.expanded = "true";
  if (focused) [...root.querySelectorAll("[data-focus]")].find((each) => each.dataset.focus === focused)?.focus({ preventScroll: true });
}
