/** Turns a search into what the service takes: parts, filter, order, facets. */

import { boostsOf } from "./prefer.js";
import { isMixed, isQuery, joinWords } from "./state.js";

export const PAGE = 24;
const DEPTH = 200;
const FACET_VALUES = 40;
const FACET_RANGES = 18;
const VARIED = 0.35;

/**
 * The body and files of a search; `more` are fields that only this call has, and `best` is the relevance of what fits
 * best, by which preferences are measured.
 */
export function searchOf(state, attributes, more = {}, best = 0) {
  const body = {
    query: parts(state),
    where: where(state.filters, attributes, { like: state.like }),
    limit: PAGE,
    depth: DEPTH,
    ...(isMixed(state) ? { image_amount: state.amount / 100 } : {}),
    ...(state.grouped ? { collapse: "group" } : {}),
    ...order(state, attributes),
    ...boostsOf(state, attributes, best),
    ...more,
  };
  if (body.where === null) delete body.where;
  return { body, files: state.photos.map((photo) => photo.file) };
}

/** The facets to count: all that can be filtered by. */
export function facetsOf(attributes, only = null) {
  return Object.entries(attributes)
    .filter(([name, attribute]) => attribute.filterable && (!only || only === name))
    .map(([name, { type }]) => ({
      attribute: name,
      ...(type === "string" || type === "strings" || type === "bool" ? { limit: FACET_VALUES } : { ranges: FACET_RANGES }),
    }))
    .slice(0, 20);
}

/** The filter in its JSON form, or null; `except` leaves out one attribute's own. */
export function where(filters, attributes, { except = null, like = null } = {}) {
  const must = Object.entries(filters)
    .filter(([name]) => name !== except && attributes[name]?.filterable)
    .map(([name, filter]) => leaf(name, filter, attributes[name].type));
  const mustNot = like ? [{ field: "product_id", eq: like.id }] : [];
  if (!must.length && !mustNot.length) return null;
  return { ...(must.length ? { must } : {}), ...(mustNot.length ? { must_not: mustNot } : {}) };
}

/** The ways in which products can be ordered, as `[value, label]`. */
export function orders(attributes, label) {
  const own = Object.entries(attributes).filter(([, attribute]) => attribute.sortable);
  return [
    ["", "Best match"],
    ["~", "Best match, varied"],
    ...own.flatMap(([name, { type }]) => directions(name, type, label(name))),
  ];
}

function directions(name, type, said) {
  if (type === "time") return [[`-${name}`, `${said}: newest first`], [name, `${said}: oldest first`]];
  if (type === "string") return [[name, `${said}: A to Z`], [`-${name}`, `${said}: Z to A`]];
  if (type === "bool") return [[`-${name}`, `${said} first`]];
  return [[name, `${said}: low to high`], [`-${name}`, `${said}: high to low`]];
}

function order(state, attributes) {
  if (state.order === "~") return { diversity: VARIED };
  return attributes[state.order.replace(/^-/, "")]?.sortable ? { sort: state.order } : {};
}

function parts(state) {
  const words = joinWords(state.words, state.minus);
  if (!isQuery(state)) return [];
  return [
    ...state.photos.map((_, place) => ({ upload: place, weight: 1 })),
    ...(state.like ? [{ product: state.like.id, weight: 1 }] : []),
    ...(words ? [words] : []),
  ];
}

function leaf(name, filter, type) {
  if (filter.any) return type === "strings" ? { field: name, contains_any: filter.any } : { field: name, in: filter.any };
  if ("is" in filter) return { field: name, eq: filter.is };
  const bound = (value) => (type === "time" ? new Date(value).toISOString() : value);
  return {
    field: name,
    ...(filter.lo !== null ? { ge: bound(filter.lo) } : {}),
    ...(filter.hi !== null ? { le: bound(filter.hi) } : {}),
  };
}
