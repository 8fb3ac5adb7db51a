/** Draws an explanation: bars for everything that counted, and how they make up the score. */

import { h, svg } from "./dom.js";
import { label, percent, signed } from "./format.js";
import { addUp, linesOf, logistic, takeApart } from "./explanation.js";

const BAR_TEXT = {
  "image image": "looks like its picture",
  "image text": "fits its description",
  "text image": "fits its picture",
  "text text": "fits its description",
};

/** The panel's elements; `tree` is null where nothing is known. */
export function whyPanel(tree, product, state) {
  const title = h("h3", { id: "why-title" }, "Why this was found");
  if (!tree) return [title, h("p", { class: "quiet" }, "The service gave no explanation for this product.")];
  const found = takeApart(tree);
  const sum = addUp(found);
  return [
    title,
    lead(found, state),
    ...(found.groups ? [bars(found, state), conversion(found)] : []),
    ...found.steps.toReversed().map(stepRow),
    h("p", { class: "adds-up", data: { score: product.score, sum } },
      "Together: a score of ", h("strong", {}, found.score.toFixed(4)),
      Math.abs(product.score - found.score) > 5e-4 ? ` (it was ${product.score.toFixed(4)} in the list)` : ""),
    calculation(tree),
  ];
}

function lead(found, state) {
  const all = (found.groups ?? []).flatMap((group) => group.bars.map((bar) => ({ ...bar, group })));
  const best = all.filter((bar) => bar.weight >= 0).toSorted((one, other) => other.points - one.points)[0];
  const because = best && best.points > 0 ? `, mostly because ${lowered(nameOf(best.group.label, state))} ${BAR_TEXT[`${best.query} ${best.half}`]}` : "";
  return h("p", { class: "why-lead" }, h("strong", {}, percent(found.relevance)), ` likely to be what you are looking for${because}.`);
}

/** Bars that go on where the one before ended, from where every product starts to where this one ends. */
function bars(found, state) {
  const steps = waterfall(found);
  const ends = steps.flatMap((step) => [step.from, step.to, 0]);
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const at = (points) => ((points - least) / Math.max(1e-9, most - least)) * 100;
  const rows = (wanted) => h("ul", { vars: { zero: `${at(0)}%` } }, steps.filter(wanted).map((step) => row(step, at)));
  return h("div", { class: "why-groups" },
    rows((step) => step.kind === "start"),
    found.groups.map((group) => h("div", { class: "why-group" }, h("h4", {}, nameOf(group.label, state)), rows((step) => step.group === group))),
    found.words ? h("div", { class: "why-group" }, h("h4", {}, "Word by word"), rows((step) => step.kind === "words")) : null);
}

function waterfall(found) {
  const steps = [{ kind: "start", text: "Every product starts at", points: found.start, hint: "The intercept of the calibration" }];
  for (const group of found.groups) {
    for (const bar of group.bars) {
      const hint = `Weight ${bar.weight.toFixed(3)}, cosine ${bar.cosine.toFixed(3)}`;
      steps.push({ kind: "bar", group, text: barText(bar), points: bar.points, hint, imputed: bar.imputed });
    }
  }
  if (found.words) {
    const text = found.words.found ? "your words stand in its text" : "your words do not stand in its text";
    steps.push({ kind: "words", text, points: found.words.points, hint: "Exact words, by BM25" });
  }
  let sum = 0;
  for (const step of steps) {
    step.from = sum;
    sum += step.points;
    step.to = sum;
  }
  return steps;
}

function row(step, at) {
  const [left, right] = [Math.min(step.from, step.to), Math.max(step.from, step.to)].map(at);
  const kind = step.kind === "start" ? " start" : step.points < 0 ? " less" : "";
  return h("li", { class: `why-row${kind}`, data: { points: step.points }, title: step.hint },
    h("span", { class: "why-text" }, step.text, step.imputed ? h("span", { class: "quiet" }, " (estimated, it has none)") : null),
    h("span", { class: "why-track", "aria-hidden": "true" }, h("span", { class: "why-bar", vars: { left: `${left}%`, size: `${right - left}%` } })),
    h("span", { class: "why-value" }, signed(step.points, 1)));
}

function barText({ query, half, weight, points }) {
  if (weight >= 0) return BAR_TEXT[`${query} ${half}`] ?? "counts";
  return `its ${half === "image" ? "picture" : "description"} ${points < 0 ? "is like it" : "is not like it"}`;
}

function conversion(found) {
  return h("p", { class: "conversion" }, curve(found.points),
    h("span", {}, h("strong", {}, `${signed(found.points, 1)} points`), " make ", h("strong", {}, percent(found.relevance)), " relevance"));
}

/** The logistic curve from -6 to 6 points, with this product on it. */
function curve(points) {
  const at = (x) => `${((x + 6) / 12) * 96 + 2},${38 - logistic(x) * 34}`;
  const path = Array.from({ length: 25 }, (_, n) => at(n / 2 - 6)).join(" ");
  const [x, y] = at(Math.max(-6, Math.min(6, points))).split(",");
  return svg("svg", { viewBox: "0 0 100 42", class: "curve", "aria-hidden": "true" },
    svg("polyline", { points: path, class: "curve-line" }), svg("circle", { cx: x, cy: y, r: 4, class: "curve-dot" }));
}

function stepRow(step) {
  if (step.kind === "reranked") return h("p", {}, `Re-ranked by ${step.label}: `, h("strong", {}, step.value.toFixed(4)));
  return h("div", { class: "why-group" }, h("h4", {}, "Boosts"), h("ul", { class: "plain" },
    h("li", {}, `${percent(step.kept)} of the score is relevance`),
    step.boosts.map((boost) => h("li", {}, `${percent(boost.weight)} is ${label(boost.label.replace(/^boost by /, ""))}: ${boost.value.toFixed(2)}`))));
}

function calculation(tree) {
  return h("details", { class: "calculation" }, h("summary", {}, "The whole calculation"),
    h("ul", {}, linesOf(tree).map(({ depth, label: name, op, value }) => h("li", { vars: { depth } },
      h("span", {}, name, op === "value" ? null : h("span", { class: "quiet" }, ` ${op}`)), h("span", { class: "number" }, value.toPrecision(5))))));
}

/** What a term of the query is to the person who asked. */
function nameOf(term, { photos, minus }) {
  const product = /^product .* \((image|text)\)$/.exec(term);
  if (product) return product[1] === "image" ? "The picture of the product you chose" : "The text of the product you chose";
  if (/^image\b/.test(term)) return photos.length > 1 ? "One of your photos" : "Your photo";
  const words = term.replace(/^['"]|['"]$/g, "");
  return minus.includes(words) ? `Not “${words}”` : `“${words}”`;
}

function lowered(text) {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
