/** Holds what is searched for, and tells those who want to know when it changes. */

/** An empty search. */
export const NOTHING = Object.freeze({
  words: "",
  minus: Object.freeze([]),
  photos: Object.freeze([]),
  like: null,
  amount: 50,
  filters: Object.freeze({}),
  prefer: Object.freeze({}),
  order: "",
  grouped: true,
});

/**
 * A store. `set` changes some fields; `how.replace` says that this is no step to come back to, `how.from` who
 * changed it, and `how.anew` that it is another search altogether.
 */
export function createStore(initial = NOTHING) {
  let state = initial;
  const listeners = [];
  return {
    get: () => state,
    set(changes, how = {}) {
      const before = state;
      state = Object.freeze({ ...state, ...changes });
      for (const listener of listeners) listener(state, before, how);
    },
    listen: (listener) => listeners.push(listener),
  };
}

/**
 * Begin anew, with nothing, or with nothing but `changes`. What was given to the search before and is not ready yet,
 * such as a photo that is being made smaller, does not belong to this one.
 */
export function beginAnew(store, changes = {}) {
  store.set({ ...NOTHING, ...changes }, { anew: true });
}

/** Whether there is anything to look for. */
export function isQuery(state) {
  return Boolean(state.words || state.photos.length || state.like || state.minus.length);
}

/** A product, as what others are to be like. */
export function likeOf({ product_id: id, title, version, images = [], image = null }) {
  return Object.freeze({ id, title, version, images, view: Math.max(0, images.indexOf(image)) });
}

/** Whether pictures and words have to be weighed against each other. */
export function isMixed(state) {
  return Boolean(state.words && (state.photos.length || state.like));
}

const MINUS = /(?<!\S)-(?:"([^"]*[^"\s][^"]*)"|([\p{L}_]\S*))(?=\s|$)/gu;

/**
 * Words taken apart as the service does it: `shoes -leather -"dark red"` into what to look for and what to move away
 * from.
 */
export function splitWords(text) {
  const minus = [...text.matchAll(MINUS)].map((found) => spaced(found[1] ?? found[2]));
  return { words: spaced(text.replace(MINUS, " ")), minus };
}

/** The words as the service wants them, minus-words included. */
export function joinWords(words, minus) {
  return [words, ...minus.map((word) => `-"${word.replaceAll('"', "")}"`)].filter(Boolean).join(" ");
}

function spaced(text) {
  return text.split(/\s+/).filter(Boolean).join(" ");
}
