/** What is preferred among products that fit: cheaper, newer, better rated ones, as far as the catalog lets it count. */

import { chip } from "./choices.js";
import { h } from "./dom.js";
import { label } from "./format.js";
import { isQuery } from "./state.js";

/**
 * What one preference, and all together, may add to a product's score, as shares of how well the best one fits: what
 * fits much worse than that must not win by being cheap, however little anything fits.
 */
const MOST = 0.3;
const MOST_TOGETHER = 0.5;
const TAIL = 0.1;
const DAY_MS = 86_400_000;
const LESS_IS_BETTER = /price|cost|fee|distance|delivery/;

/** Whether preferences count: where products are ordered by how well they fit. */
export function canPrefer(state) {
  return isQuery(state) && (state.order === "" || state.order === "~");
}

/** Whether a search has preferences that count. */
export function isPreferring(state) {
  return canPrefer(state) && Object.keys(state.prefer).length > 0;
}

/** The preferences of a search as the service takes them; `best` is the relevance of what fits best without them. */
export function boostsOf(state, attributes, best) {
  if (!isPreferring(state)) return {};
  const wanted = Object.entries(state.prefer).filter(([name]) => attributes[name]?.boostable);
  const weight = best * Math.min(MOST, MOST_TOGETHER / wanted.length);
  return { boosts: wanted.map(([name, scale]) => ({ attribute: name, weight, ...curve(attributes[name].type, scale) })) };
}

/** A preference in words, such as "Lower price". */
export function preferenceOf(name, type) {
  if (type === "bool") return label(name);
  if (type === "time") return `Newer (${label(name).toLowerCase()})`;
  return `${LESS_IS_BETTER.test(name) ? "Lower" : "Higher"} ${label(name).toLowerCase()}`;
}

/** Chips for what can be preferred; nothing where there is nothing. */
export function preferences({ attributes, facets, prefer, change }) {
  const offered = Object.entries(attributes).map(([name, { type, boostable }]) => {
    const scale = boostable ? (prefer[name] ?? scaleOf(name, type, facets[name])) : null;
    return scale && chip({
      focus: `prefer:${name}`,
      text: preferenceOf(name, type),
      count: null,
      checked: Boolean(prefer[name]),
      toggle: (wanted) => change(({ [name]: _, ...others }) => (wanted ? { ...others, [name]: scale } : others)),
    });
  });
  const chips = offered.filter(Boolean);
  if (!chips.length) return null;
  return h("fieldset", { class: "prefer" }, h("legend", {}, "Prefer"), h("div", { class: "chips" }, chips));
}

/** From what is worth nothing to what is worth all of it, without the few at either end; true for yes and no. */
function scaleOf(name, type, facet) {
  if (type === "bool") return true;
  const bars = (facet?.ranges ?? []).filter(({ lo, hi }) => lo !== null && hi !== null);
  const least = TAIL * bars.reduce((sum, { count }) => sum + (count ?? 0), 0);
  const lo = past(bars, least)?.lo;
  const hi = past(bars.toReversed(), least)?.hi;
  if (lo === undefined || !(lo < hi)) return null;
  return LESS_IS_BETTER.test(name) ? { worst: hi, best: lo } : { worst: lo, best: hi };
}

/** The first bar before which there are no more than so many. */
function past(bars, least) {
  let before = 0;
  return bars.find(({ count }) => {
    before += count ?? 0;
    return before >= least;
  });
}

function curve(type, scale) {
  if (type === "bool") return { kind: "flag" };
  if (type !== "time") return { kind: "linear", lo: scale.worst, hi: scale.best };
  // Worth one half in the middle, and nothing at the other end.
  const days = Math.max(1, Math.round(Math.abs(scale.best - scale.worst) / 2 / DAY_MS));
  return { kind: "decay", shape: "linear", origin: new Date(scale.best).toISOString(), scale: `${days}d` };
}
