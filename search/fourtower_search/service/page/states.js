/** What is shown in the place of results: nothing found, something wrong, a service that is busy or away. */

import { forgetKey } from "./api.js";
import { h, icon } from "./dom.js";
import { announce } from "./notices.js";

const FIRST_WAIT_S = 4;
const LONGEST_WAIT_S = 60;

/** Nothing was found; `actions` are `[label, act]`. */
export function emptyState(title, text, actions) {
  return panel("search", title, text, actions.map(([label, act], place) => button(label, act, place === 0)));
}

/**
 * Something went wrong. What may pass by itself is tried again, after as long as the service asks for; `attempt`
 * counts from 0. Gives `{element, stop}`.
 */
export function problemState(problem, { retry, attempt, startOver }) {
  const told = TOLD[problem.code] ?? (problem.status >= 500 ? TOLD.internal : TOLD.other);
  const wait = told.waits ? Math.min(LONGEST_WAIT_S, problem.retryAfter ?? FIRST_WAIT_S * 2 ** attempt) : 0;
  const countdown = h("p", { class: "quiet countdown" });
  let timer = 0;
  const stop = () => clearInterval(timer);
  const again = () => {
    stop();
    retry();
  };
  const otherKey = () => {
    forgetKey();
    again();
  };
  const [said, act] = told.waits ? ["Try now", again] : told.again ? ["Try again", again]
    : told.key ? ["Use another key", otherKey] : ["Start over", startOver];
  const actions = [button(said, act, true)];
  const element = panel(told.icon, told.title, told.text ?? problem.message, actions);
  element.setAttribute("role", "alert");
  if (problem.requestId && problem.status >= 500) element.append(h("p", { class: "quiet" }, `Request ${problem.requestId}`));
  if (wait) {
    let left = Math.max(1, Math.round(wait));
    const show = () => {
      countdown.textContent = `Trying again in ${left} s`;
    };
    show();
    element.append(countdown);
    timer = setInterval(() => {
      left -= 1;
      if (left > 0) show();
      else again();
    }, 1000);
  }
  announce(`${told.title} ${told.text ?? problem.message}`);
  return { element, stop };
}

const BUSY = { icon: "hourglass", title: "Busy just now", text: "Many people are searching at this moment. Your search is kept and will be tried again.", waits: true };
const AWAY = { icon: "hourglass", title: "The catalog is not answering", text: "The service runs, but its index does not answer at the moment.", waits: true };
const TOLD = {
  unreachable: { icon: "cloud", title: "Can’t reach the service", text: "It may be restarting, or this device is offline. Nothing you entered is lost.", waits: true },
  overloaded: BUSY,
  rate_limited: { ...BUSY, title: "A little slower, please", text: "Too many searches in a short time. Yours is kept and will be tried again." },
  index_unavailable: AWAY,
  index_mismatch: AWAY,
  forbidden: { icon: "key", title: "This key may not search", key: true },
  internal: { icon: "cloud", title: "Something went wrong in the service", text: "It was noted there. Trying again may help.", again: true },
  image_unavailable: { icon: "photo", title: "A picture could not be read", again: true },
  too_large: { icon: "photo", title: "That is too much at once" },
  other: { icon: "search", title: "This search does not work" },
};

function panel(name, title, text, actions) {
  return h("div", { class: "state" }, h("span", { class: "state-icon" }, icon(name)), h("h3", {}, title), h("p", {}, text),
    actions.length ? h("div", { class: "state-actions" }, actions) : null);
}

function button(label, act, first) {
  return h("button", { type: "button", class: first ? "button primary" : "button", onclick: act }, label);
}
