/** A product as a card: its picture, what it is, how well it fits, and what can be done with it. */

import { h, icon } from "./dom.js";
import { counted, number, percent, value } from "./format.js";
import { bestView, productPicture } from "./pictures.js";

const SIDE = 480;
const LEVELS = [0.02, 0.2, 0.5, 0.8];

/** A card; `act` has `open`, `similar` and `why`, each of which takes the product. */
export function card(product, { attributes, act, place }) {
  const title = product.title || product.product_id;
  const found = product.relevance !== undefined;
  return h("li", { class: "card", data: { id: product.product_id }, vars: { place: place % 24 } },
    h("div", { class: "card-picture" },
      productPicture(product, bestView(product), SIDE),
      product.variants?.length ? h("span", { class: "variants" }, `+ ${counted(product.variants.length, "variant")}`) : null),
    h("h3", {}, h("button", { type: "button", class: "open", onclick: () => act.open(product) }, title)),
    h("p", { class: "card-facts" }, summary(product, attributes)),
    action("similar", "More like this", title, () => act.similar(product)),
    found ? why(product, title, () => act.why(product)) : null);
}

/** How likely a product is what was looked for, as four bars, which say why when they are pressed. */
function why(product, title, act) {
  const filled = LEVELS.filter((level) => product.relevance >= level).length;
  const match = percent(product.relevance);
  return h("button", { type: "button", class: "card-action why", "aria-label": `Why: ${title}, match ${match}`, title: `Match ${match}`, onclick: act },
    h("span", { class: "meter", "aria-hidden": "true" }, LEVELS.map((_, place) => h("i", { class: place < filled ? "on" : null }))),
    h("span", { class: "card-action-text", "aria-hidden": "true" }, "Why?"));
}

/** Cards to come. */
export function skeletons(count) {
  return Array.from({ length: count }, (_, place) => h("li", { class: "card skeleton", "aria-hidden": "true", vars: { place } },
    h("div", { class: "card-picture" }), h("span", { class: "line" }), h("span", { class: "line short" })));
}

/** The few facts that people look for first: price, rating, stock, and what the title does not say. */
export function summary(product, attributes) {
  const given = product.attributes ?? {};
  const title = (product.title ?? "").toLowerCase();
  const price = Object.keys(attributes).find((name) => /price/.test(name) && typeof given[name] === "number");
  const rating = typeof given.rating === "number" ? given.rating : null;
  const told = Object.entries(attributes)
    .filter(([name, { type }]) => type === "string" && typeof given[name] === "string" && !title.includes(given[name].toLowerCase()))
    .slice(0, 2)
    .map(([name, { type }]) => value(given[name], name, type));
  return [
    price ? h("span", { class: "price" }, number(given[price], price)) : null,
    rating !== null ? h("span", { class: "rating" }, h("span", { "aria-hidden": "true" }, "★ "), h("span", { class: "visually-hidden" }, "rated "), number(rating)) : null,
    given.in_stock === false ? h("span", { class: "gone" }, "Out of stock") : null,
    ...told.map((text) => h("span", {}, text)),
  ];
}

function action(name, text, title, act) {
  return h("button", { type: "button", class: `card-action ${name}`, "aria-label": `${text}: ${title}`, onclick: act }, icon(name), h("span", { class: "card-action-text", "aria-hidden": "true" }, text));
}
