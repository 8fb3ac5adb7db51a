/** Keeps small things in the browser; where it refuses to keep anything, until the page is left. */

const memory = new Map();

/** What is kept under a name, or null; `area` is "session" (this tab) or "local" (this browser). */
export function kept(area, name) {
  try {
    return store(area).getItem(name);
  } catch {
    return memory.get(name) ?? null;
  }
}

/** Keep a text; null forgets it. */
export function keep(area, name, text) {
  try {
    if (text === null) store(area).removeItem(name);
    else store(area).setItem(name, text);
  } catch {
    memory.set(name, text);
  }
}

function store(area) {
  return area === "session" ? sessionStorage : localStorage;
}
