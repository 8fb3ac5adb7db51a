/** Chooses light or dark: as the system has it, until a person says otherwise. */

import { keep, kept } from "./storage.js";

const KEPT = "fourtower-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Light or dark, as it is now. */
export function theme() {
  return chosen() ?? (dark.matches ? "dark" : "light");
}

/** Make a button change the theme. */
export function followThemeButton(button) {
  const show = () => {
    const now = theme();
    document.documentElement.dataset.theme = now;
    button.setAttribute("aria-label", now === "dark" ? "Use light colours" : "Use dark colours");
    button.querySelector("use").setAttribute("href", now === "dark" ? "#i-sun" : "#i-moon");
  };
  button.addEventListener("click", () => {
    keep("local", KEPT, theme() === "dark" ? "light" : "dark");
    show();
  });
  dark.addEventListener("change", show);
  show();
}

function chosen() {
  const said = kept("local", KEPT);
  return said === "dark" || said === "light" ? said : null;
}

document.documentElement.dataset.theme = theme();
