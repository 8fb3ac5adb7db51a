/** Keeps the search in the page's address, so that it can be shared and the browser's history works. */

import { NOTHING } from "./state.js";

const PREFIX = "f.";
const PREFERRED = "prefer.";
const RANGE = "..";

/** The address's query for a search; photos stay on this device. */
export function encode(state) {
  const query = new URLSearchParams();
  if (state.words) query.set("q", state.words);
  for (const word of state.minus) query.append("not", word);
  if (state.like) query.set("like", state.like.id);
  if (state.amount !== NOTHING.amount) query.set("mix", state.amount);
  if (state.order) query.set("sort", state.order);
  if (!state.grouped) query.set("variants", "each");
  for (const [name, filter] of Object.entries(state.filters)) {
    if (filter.any) for (const value of filter.any) query.append(PREFIX + name, value);
    else if ("is" in filter) query.set(PREFIX + name, filter.is);
    else query.set(PREFIX + name, `${filter.lo ?? ""}${RANGE}${filter.hi ?? ""}`);
  }
  for (const [name, scale] of Object.entries(state.prefer)) {
    query.set(PREFERRED + name, scale === true ? "yes" : `${scale.worst}${RANGE}${scale.best}`);
  }
  const text = query.toString();
  return text ? `?${text}` : location.pathname;
}

/** A search from an address's query; what does not fit the catalog is left out. */
export function decode(text, attributes) {
  const query = new URLSearchParams(text);
  const amount = Number(query.get("mix") ?? NOTHING.amount);
  return {
    ...NOTHING,
    words: (query.get("q") ?? "").slice(0, 900),
    minus: query.getAll("not").filter(Boolean).slice(0, 8),
    like: query.get("like") ? { id: query.get("like"), view: 0 } : null,
    amount: amount >= 0 && amount <= 100 ? amount : NOTHING.amount,
    order: query.get("sort") ?? "",
    grouped: query.get("variants") !== "each",
    filters: filters(query, attributes),
    prefer: preferred(query, attributes),
  };
}

/**
 * Follow the store into the address and the browser's history into the store. Photos are remembered for as long as
 * the page is open, by the place in the history.
 */
export function followAddress(store, attributes) {
  const photos = new Map();
  // Places that another visit of this page left in the history, before it was loaded anew, have other names.
  const another = () => `${performance.timeOrigin}-${photos.size}`;
  let place = another();
  const remember = (state) => photos.set(place, { photos: state.photos, like: state.like });
  store.set(decode(location.search, attributes), { from: "address" });
  history.replaceState({ place }, "");
  remember(store.get());
  store.listen((state, before, how) => {
    if (how.from === "address") return;
    const url = encode(state);
    if (!how.replace && (url !== encode(before) || state.photos !== before.photos)) {
      place = another();
      history.pushState({ place }, "", url);
    } else {
      history.replaceState({ place }, "", url);
    }
    remember(state);
  });
  addEventListener("popstate", (event) => {
    if (!event.state?.place) { // a jump within the page, such as to the results: the search is the same
      history.replaceState({ place }, "");
      return;
    }
    place = event.state.place;
    const known = photos.get(place) ?? { photos: NOTHING.photos };
    const found = decode(location.search, attributes);
    store.set({ ...found, ...known, like: known.like ?? found.like }, { from: "address" });
  });
}

function filters(query, attributes) {
  const found = {};
  for (const [name, attribute] of Object.entries(attributes)) {
    const values = query.getAll(PREFIX + name);
    if (!attribute.filterable || !values.length) continue;
    if (attribute.type === "string" || attribute.type === "strings") found[name] = { any: values };
    else if (attribute.type === "bool") found[name] = { is: values[0] === "true" };
    else {
      const [lo, hi] = values[0].split(RANGE).map((part) => (part && Number.isFinite(Number(part)) ? Number(part) : null));
      if (lo !== null || (hi ?? null) !== null) found[name] = { lo, hi: hi ?? null };
    }
  }
  return found;
}

function preferred(query, attributes) {
  const found = {};
  for (const [name, { type, boostable }] of Object.entries(attributes)) {
    const given = query.get(PREFERRED + name);
    if (!boostable || !given) continue;
    const [worst, best] = given.split(RANGE).map((part) => (part ? Number(part) : NaN));
    if (type === "bool") found[name] = true;
    else if (Number.isFinite(worst) && Number.isFinite(best) && worst !== best) found[name] = { worst, best };
  }
  return found;
}
