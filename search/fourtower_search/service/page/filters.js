/** The filters beside the results, made from the declared schema and what was counted. */

import { choices, truth } from "./choices.js";
import { byId, h, icon } from "./dom.js";
import { day, label, number } from "./format.js";
import { canPrefer, preferenceOf, preferences } from "./prefer.js";
import { range } from "./range.js";
import { openSheet } from "./sheets.js";

const WIDE = matchMedia("(min-width: 62rem)");

/**
 * Filters that follow the store. Gives `{show}`, which takes new counts; those of the attributes in `waiting` are still
 * to come, and what is known of them stays in sight until then.
 */
export function filterRail(store, attributes) {
  const root = byId("facets");
  let facets = {};
  const draw = () => keepingFocus(root, () => [heading(store), preferred(store, attributes, facets), ...groups(store, attributes, facets)]);
  store.listen((state, before) => {
    const seen = ({ filters, prefer, order }) => [filters, prefer, order];
    if (canPrefer(state) === canPrefer(before) && seen(state).every((each, place) => each === seen(before)[place])) return;
    draw();
    showActive(store, attributes);
  });
  byId("open-filters").addEventListener("click", () => openFilters(byId("filters")));
  showActive(store, attributes);
  return {
    show(counted, waiting = []) {
      const late = waiting.map((name) => [name, facets[name] ?? (counted[name] && { ...counted[name], partial: true })]);
      facets = { ...counted, ...Object.fromEntries(late) };
      draw();
    },
  };
}

/** Change one attribute's filter; null takes it away. */
export function setFilter(store, name, filter) {
  const { [name]: _, ...others } = store.get().filters;
  store.set({ filters: filter ? { ...others, [name]: filter } : others });
}

function setPreference(store, changed) {
  store.set({ prefer: changed(store.get().prefer) });
}

function preferred(store, attributes, facets) {
  const state = store.get();
  const change = (changed) => setPreference(store, changed);
  return canPrefer(state) ? preferences({ attributes, facets, prefer: state.prefer, change }) : null;
}

function heading(store) {
  const { filters, prefer } = store.get();
  const some = Object.keys({ ...filters, ...prefer }).length;
  return h("div", { class: "filters-head" },
    h("h2", {}, "Filters"),
    some ? h("button", { type: "button", class: "link", data: { focus: "clear" }, onclick: () => store.set({ filters: {}, prefer: {} }) }, "Clear all") : null);
}

function groups(store, attributes, facets) {
  const { filters } = store.get();
  const drawn = Object.entries(attributes).map(([name, attribute]) => {
    const facet = facets[name];
    if (!attribute.filterable || (!facet && !filters[name])) return null;
    // What is drawn here changes a part of the filter: the rest may have changed since.
    const change = (changed) => setFilter(store, name, changed(store.get().filters[name] ?? null));
    const own = { name, type: attribute.type, facet: facet ?? { values: [], ranges: [] }, filter: filters[name], change };
    if (attribute.type === "bool") return truth(own);
    return attribute.type === "string" || attribute.type === "strings" ? choices(own) : range(own);
  });
  const shown = drawn.filter(Boolean);
  return shown.length ? shown : [h("p", { class: "quiet" }, "There is nothing to filter by yet.")];
}

function showActive(store, attributes) {
  const state = store.get();
  const preferring = canPrefer(state) ? Object.keys(state.prefer) : [];
  const chips = [
    ...Object.entries(state.filters).flatMap(([name, filter]) => active(store, name, filter, attributes[name].type)),
    ...preferring.map((name) => preference(store, name, attributes[name].type)),
  ];
  const list = byId("active");
  list.hidden = !chips.length;
  list.replaceChildren(...chips);
  byId("filter-count").textContent = chips.length ? ` · ${chips.length}` : "";
}

function active(store, name, filter, type) {
  if (filter.any) {
    return filter.any.map((value) => {
      const rest = filter.any.filter((other) => other !== value);
      return chip(value, `Remove the filter ${label(name)}: ${value}`, () => setFilter(store, name, rest.length ? { any: rest } : null));
    });
  }
  const say = (bound) => (type === "time" ? day(bound) : number(bound, name));
  const text = "is" in filter ? (filter.is ? label(name) : `Not ${label(name).toLowerCase()}`)
    : filter.lo === null ? `${label(name)} up to ${say(filter.hi)}`
    : filter.hi === null ? `${label(name)} from ${say(filter.lo)}`
    : `${label(name)} ${say(filter.lo)} to ${say(filter.hi)}`;
  return [chip(text, `Remove the filter ${text}`, () => setFilter(store, name, null))];
}

function preference(store, name, type) {
  const text = `Prefer: ${preferenceOf(name, type)}`;
  return chip(text, `Remove ${text}`, () => setPreference(store, ({ [name]: _, ...others }) => others));
}

function chip(text, said, remove) {
  return h("li", {}, h("button", { type: "button", class: "active-chip", "aria-label": said, onclick: () => {
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
    stays: true, // they follow the history
    actions: [h("button", { type: "button", class: "button primary", onclick: () => sheet.close() }, "Show the results")],
    onclose: () => {
      byId("rail").append(root);
      WIDE.removeEventListener("change", close);
    },
  });
  const close = () => sheet.close();
  WIDE.addEventListener("change", close);
}

const pressing = new Set(); // pointers that are down
let waiting = null;
addEventListener("pointerdown", (event) => {
  if (event.button === 0) pressing.add(event.pointerId);
}, true);
for (const kind of ["pointerup", "pointercancel"]) {
  addEventListener(kind, (event) => {
    pressing.delete(event.pointerId);
    if (pressing.size || !waiting) return;
    setTimeout(waiting); // after the click
    waiting = null;
  }, true);
}

/** Draw anew what `make` gives, without taking anything away from under a finger, or from who is typing. */
function keepingFocus(root, make) {
  if (pressing.size) {
    waiting = () => keepingFocus(root, make);
    return;
  }
  const active = root.contains(document.activeElement) ? document.activeElement : null;
  const open = new Set([...root.querySelectorAll("[data-expanded=true]")].map((each) => each.dataset.name));
  const made = h("div", {}, make());
  for (const each of made.querySelectorAll("[data-name]")) if (open.has(each.dataset.name)) each.dataset.expanded = "true";
  const twin = active?.dataset.focus && [...made.querySelectorAll("[data-focus]")].find((each) => each.dataset.focus === active.dataset.focus);
  if (twin && active.matches("input[type=number], input[type=date]")) {
    exchangeAround(active, twin, root);
    follow(active, twin);
    return;
  }
  root.replaceChildren(...made.childNodes);
  twin?.focus({ preventScroll: true });
}

/** Put what was made anew around a field in the place of what stands around it: only where it is it keeps the focus. */
function exchangeAround(field, twin, root) {
  for (let [old, fresh] = [field, twin]; old !== root; [old, fresh] = [old.parentNode, fresh.parentNode]) {
    const others = [...fresh.parentNode.childNodes];
    const place = others.indexOf(fresh);
    for (const other of [...old.parentNode.childNodes]) if (other !== old) other.remove();
    old.before(...others.slice(0, place));
    old.after(...others.slice(place + 1));
  }
}

/** Show in a field what its twin shows, unless somebody is typing into it. */
function follow(field, twin) {
  const typing = field.validity.badInput || field.value !== field.defaultValue;
  field.defaultValue = twin.value;
  if (!typing && field.value !== twin.value) field.value = twin.value;
}
