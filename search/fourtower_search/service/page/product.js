/** One product in a sheet: its pictures, everything the catalog says of it, its variants, and why it was found. */

import { call } from "./api.js";
import { summary } from "./card.js";
import { h, icon } from "./dom.js";
import { label, value } from "./format.js";
import { bestView, productPicture } from "./pictures.js";
import { problemToast } from "./notices.js";
import { openSheet } from "./sheets.js";
import { whyPanel } from "./why.js";

/** Open a product; `why` goes straight to the explanation. */
export function openProduct(product, { session, facts, act, why = false }) {
  const found = product.relevance !== undefined && session && !session.browsing;
  const panel = found ? h("section", { class: "why-panel", "aria-labelledby": "why-title", tabindex: "-1" }) : null;
  const similar = h("button", { type: "button", class: "button primary", onclick: () => {
    sheet.close();
    act.similar(product);
  } }, icon("similar"), "More like this");
  const sheet = openSheet({
    name: "product",
    title: product.title || product.product_id,
    content: [
      why ? panel : null,
      gallery(product),
      h("p", { class: "card-facts" }, summary(product, facts.attributes)),
      product.description ? h("p", { class: "description" }, product.description) : null,
      h("div", { class: "sheet-inline-actions" }, similar),
      why ? null : panel,
      variants(product, { session, facts, act, close: () => sheet.close() }),
      details(product, facts.attributes),
    ],
    focus: why ? panel : null,
  });
  if (panel) explain(panel, product, session);
}

async function explain(panel, product, session) {
  panel.replaceChildren(h("h3", { id: "why-title" }, "Why this was found"), h("p", { class: "quiet" }, "Asking the service …"));
  try {
    const tree = await session.explanation(product.product_id);
    panel.replaceChildren(...whyPanel(tree, product, session.state));
  } catch (problem) {
    if (problem.name === "AbortError") return;
    panel.replaceChildren(h("h3", { id: "why-title" }, "Why this was found"), h("p", { class: "quiet" }, problem.message),
      h("button", { type: "button", class: "button", onclick: () => explain(panel, product, session) }, "Try again"));
  }
}

function gallery(product) {
  const views = product.images ?? [];
  const title = product.title || product.product_id;
  const stage = h("div", { class: "gallery-stage" });
  const show = (view) => {
    stage.replaceChildren(productPicture(product, view, 960, `${title}${views.length > 1 ? `, picture ${view + 1} of ${views.length}` : ""}`));
    for (const [place, thumb] of [...thumbs.children].entries()) thumb.firstChild.setAttribute("aria-pressed", String(place === view));
  };
  const thumbs = h("ul", { class: "gallery-thumbs", "aria-label": "Pictures" },
    views.length > 1
      ? views.map((_, view) => h("li", {}, h("button", { type: "button", "aria-label": `Picture ${view + 1}`, onclick: () => show(view) }, productPicture(product, view, 160))))
      : null);
  show(bestView(product));
  return h("div", { class: "gallery" }, stage, views.length > 1 ? thumbs : null);
}

function details(product, attributes) {
  const given = Object.entries(product.attributes ?? {});
  const rows = [
    ...given.map(([name, each]) => [label(name), value(each, name, attributes[name]?.type)]),
    ...(product.group_id ? [["Group", product.group_id]] : []),
    ["Id", product.product_id],
  ];
  return h("section", { class: "details", "aria-label": "Details" }, h("h3", {}, "Details"),
    h("dl", {}, rows.map(([name, said]) => h("div", {}, h("dt", {}, name), h("dd", {}, said)))));
}

function variants(product, { session, facts, act, close }) {
  if (!product.variants?.length) return null;
  const list = h("ul", { class: "variant-list" });
  const open = (variant) => {
    close();
    openProduct(variant, { session, facts, act });
  };
  call("products/lookup", { body: { ids: product.variants.slice(0, 12) } })
    .then((answer) => {
      const known = Array.isArray(answer.products) ? answer.products : Object.values(answer.products ?? {});
      list.append(...known.map((variant) => h("li", {}, h("button", { type: "button", "aria-label": variant.title || variant.product_id, onclick: () => open(variant) }, productPicture(variant, 0, 160)))));
    })
    .catch(problemToast);
  return h("section", { "aria-label": "Variants" }, h("h3", {}, "Variants"), list);
}
