/** Asks for an API key where the service wants one; it stays in this tab only. */

import { currentKey, keepKey } from "./api.js";
import { h } from "./dom.js";
import { openSheet } from "./sheets.js";

let asking = null;

/** Ask for a key; everybody who waits for one waits for the same answer. */
export function askForKey(message) {
  asking ??= ask(message).finally(() => {
    asking = null;
  });
  return asking;
}

function ask(message) {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true,
      "aria-describedby": "key-help", "aria-invalid": message ? "true" : null });
    const form = h("form", { id: "key-form", class: "key-form", onsubmit: (event) => {
      event.preventDefault();
      const key = input.value.trim();
      if (!key) return;
      keepKey(key);
      sheet.close();
    } },
    h("label", { for: "key" }, "API key"), input,
    message ? h("p", { class: "warning", role: "alert" }, message) : null,
    h("p", { class: "quiet", id: "key-help" }, "Whoever runs this service makes keys with “fourtower keys create”. The key is kept until this tab is closed."));
    const sheet = openSheet({
      name: "key",
      title: "This search needs a key",
      content: form,
      actions: [h("button", { type: "submit", form: "key-form", class: "button primary" }, "Continue")],
      focus: input,
      closable: false,
      // Browsers let a dialog be closed by pressing Escape twice, whatever it says to the first time.
      onclose: () => resolve(currentKey() ? undefined : ask(message)),
    });
  });
}
