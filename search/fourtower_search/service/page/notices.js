/** Says short things: aloud to screen readers, and as toasts that go away by themselves. */

import { byId, h } from "./dom.js";

const SHOWN_MS = 6000;
let waiting = 0;

/** Tell screen readers; of several things in a row only the last is said. */
export function announce(text) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    byId("announcer").textContent = text;
  }, 150);
}

/** Show a short message at the edge of the screen. */
export function toast(text) {
  const note = h("p", { class: "toast" }, text);
  byId("toasts").append(note);
  setTimeout(() => note.remove(), SHOWN_MS);
}

/** Show what went wrong, unless it was only called off. */
export function problemToast(problem) {
  if (problem.name !== "AbortError") toast(problem.message);
}
