/** A filter by values: chips with counts, of which several can be chosen; and the one for yes and no. */

import { h } from "./dom.js";
import { label, number } from "./format.js";

const AT_FIRST = 8;

/** Chips of a string attribute. */
export function choices({ name, facet, filter, change }) {
  const chosen = filter?.any ?? [];
  const found = facet.values.map(({ value, count }) => ({ value: String(value), count }));
  // What was chosen stays in sight, also where nothing has it any more.
  const gone = chosen.filter((value) => !found.some((each) => each.value === value)).map((value) => ({ value, count: 0 }));
  const all = [...found, ...gone];
  // What is chosen may have changed since the chips were drawn.
  const toggle = (value, wanted) => change((now) => {
    const others = (now?.any ?? []).filter((other) => other !== value);
    const next = wanted ? [...others, value] : others;
    return next.length ? { any: next } : null;
  });
  const chips = all.map(({ value, count }, place) => chip({
    focus: `${name}=${value}`,
    text: value,
    count,
    swatch: /colou?r/.test(name) ? value : null,
    checked: chosen.includes(value),
    extra: place >= AT_FIRST && !chosen.includes(value),
    toggle: (wanted) => toggle(value, wanted),
  }));
  const group = h("fieldset", { class: "facet", data: { name, expanded: "false" } },
    h("legend", {}, label(name)),
    h("div", { class: "chips" }, chips),
    all.length > AT_FIRST ? expander(name, () => group, all.length - AT_FIRST) : null);
  return all.length ? group : null;
}

/** Chips for yes and no. */
export function truth({ name, facet, filter, change }) {
  const counts = new Map(facet.values.map(({ value, count }) => [value, count]));
  const chips = [true, false].map((value) => chip({
    focus: `${name}=${value}`,
    text: value ? "Yes" : "No",
    count: counts.get(value) ?? (facet.sampled ? null : 0),
    checked: filter?.is === value,
    toggle: (wanted) => change((now) => (wanted ? { is: value } : now?.is === value ? null : now)),
  }));
  return h("fieldset", { class: "facet", data: { name } }, h("legend", {}, label(name)), h("div", { class: "chips" }, chips));
}

/** A box to tick, as a chip; `toggle` gets whether it is ticked. */
export function chip({ focus, text, count, swatch = null, checked, extra = false, toggle }) {
  const box = h("input", { type: "checkbox", class: "visually-hidden", checked, data: { focus }, onchange: () => toggle(box.checked) });
  return h("label", { class: `chip${extra ? " extra" : ""}` }, box,
    swatch && CSS.supports("color", swatch) ? h("span", { class: "swatch", vars: { swatch }, "aria-hidden": "true" }) : null,
    h("span", {}, text),
    count === null ? null : h("span", { class: "count" }, h("span", { class: "visually-hidden" }, ", "), number(count)));
}

function expander(name, group, hidden) {
  const button = h("button", { type: "button", class: "link", data: { focus: `${name}:more` }, onclick: () => {
    group().dataset.expanded = group().dataset.expanded === "true" ? "false" : "true";
  } }, h("span", { class: "when-short" }, `${hidden} more`), h("span", { class: "when-long" }, "Fewer"));
  return button;
}
