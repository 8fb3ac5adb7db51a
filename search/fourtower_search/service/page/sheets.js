/** Opens dialogs: at the side or in the middle on wide screens, from below on phones; focus comes back afterwards. */

import { h, icon } from "./dom.js";

let opened = 0;

/**
 * Open a sheet. `content` and `actions` are elements, `focus` gets the focus first, `onclose` is called however it
 * closes. Another step of the history closes it, unless it `stays` or is not `closable`. Gives `{element, close}`.
 */
export function openSheet({ name, title, content, actions = [], focus = null, onclose = () => {}, closable = true, stays = !closable }) {
  opened += 1;
  const titleId = `sheet-title-${opened}`;
  const before = document.activeElement;
  const close = () => element.close();
  const element = h("dialog", { class: `sheet sheet-${name}`, "aria-labelledby": titleId },
    h("div", { class: "sheet-head" },
      h("h2", { id: titleId }, title),
      closable ? h("button", { type: "button", class: "round", "aria-label": "Close", onclick: close }, icon("close")) : null),
    h("div", { class: "sheet-body" }, content),
    actions.some(Boolean) ? h("div", { class: "sheet-actions" }, actions) : null);
  element.addEventListener("click", (event) => {
    if (closable && event.target === element) close();
  });
  element.addEventListener("cancel", (event) => {
    if (!closable) event.preventDefault();
  });
  if (!stays) addEventListener("popstate", close);
  element.addEventListener("close", () => {
    removeEventListener("popstate", close);
    onclose();
    element.remove();
    document.documentElement.classList.toggle("has-sheet", Boolean(document.querySelector("dialog[open]")));
    // Whoever closed it may have sent the focus elsewhere already.
    if (before?.isConnected && document.activeElement === document.body) before.focus({ preventScroll: true });
  });
  document.body.append(element);
  element.showModal();
  document.documentElement.classList.add("has-sheet");
  focus?.focus({ preventScroll: true });
  return { element, close };
}
