/** A filter by a range: two thumbs below a small picture of how the values are spread, and two fields for exact ones. */

import { h } from "./dom.js";
import { day, label, number } from "./format.js";

const STEPS = 100;
const DAY_MS = 86_400_000;

/** The filter of a number or a time; nothing where all products have the same value. */
export function range({ name, type, facet, filter, change }) {
  const bars = facet.ranges.filter(({ lo, hi }) => lo !== null && hi !== null);
  const ends = [...bars.flatMap(({ lo, hi }) => [lo, hi]), filter?.lo, filter?.hi].filter(Number.isFinite);
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  if (!ends.length || least === most) return null;
  // Where only what the filter lets through was counted so far, its ends are not those of the catalog.
  const atEnd = { lo: (value) => !facet.partial && value <= least, hi: (value) => !facet.partial && value >= most };
  const scale = { least, most, step: stepOf(least, most, type), type, name, atEnd };
  const given = { lo: filter?.lo ?? null, hi: filter?.hi ?? null };
  const commit = (end, value) => change((now) => ordered({ lo: now?.lo ?? null, hi: now?.hi ?? null, [end]: value }));
  const said = h("span", { class: "range-said" }, sentence(given, scale));
  const low = thumb("lo", given, scale, said, commit);
  const high = thumb("hi", given, scale, said, commit);
  const track = h("div", { class: "range-track" }, low, high);
  paint(track, low, high, scale);
  for (const each of [low, high]) each.addEventListener("input", () => settle(track, low, high, scale, said, each));
  return h("fieldset", { class: "facet range", data: { name } },
    h("legend", {}, label(name)),
    said,
    facet.sampled ? null : histogram(bars, given),
    track,
    h("div", { class: "range-fields" }, field("From", "lo", given, scale, commit), h("span", { "aria-hidden": "true" }, "–"), field("To", "hi", given, scale, commit)));
}

function ordered({ lo, hi }) {
  if (lo === null && hi === null) return null;
  return lo !== null && hi !== null && lo > hi ? { lo: hi, hi: lo } : { lo, hi };
}

function stepOf(least, most, type) {
  if (type === "time") return DAY_MS;
  const rough = (most - least) / STEPS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const round = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
  return type === "int" ? Math.max(1, Math.round(round)) : round;
}

function thumb(end, given, scale, said, commit) {
  const { least, most, step, name } = scale;
  const value = given[end] ?? (end === "lo" ? least : most);
  const input = h("input", {
    type: "range", class: `thumb ${end}`, min: least, max: Math.max(most, least + step), step: "any", value,
    "aria-label": `${label(name)}, ${end === "lo" ? "from" : "to"}`,
    "aria-valuetext": shown(value, scale),
    data: { focus: `${name}:${end}` },
  });
  input.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!by) return;
    event.preventDefault(); // with step "any" the browser's own steps are of no use
    const next = Math.min(most, Math.max(least, Number(input.value) + by * step));
    if (next === Number(input.value)) return;
    input.value = next;
    input.dispatchEvent(new Event("input"));
    input.dispatchEvent(new Event("change"));
  });
  input.addEventListener("change", () => {
    const exact = rounded(Number(input.value), scale);
    commit(end, scale.atEnd[end](exact) ? null : exact);
  });
  return input;
}

function settle(track, low, high, scale, said, moving) {
  if (Number(low.value) > Number(high.value)) {
    if (moving === low) low.value = high.value;
    else high.value = low.value;
  }
  paint(track, low, high, scale);
  const now = { lo: rounded(Number(low.value), scale), hi: rounded(Number(high.value), scale) };
  said.textContent = sentence({ lo: scale.atEnd.lo(now.lo) ? null : now.lo, hi: scale.atEnd.hi(now.hi) ? null : now.hi }, scale);
  moving.setAttribute("aria-valuetext", shown(Number(moving.value), scale));
}

function paint(track, low, high, { least, most }) {
  const share = (input) => `${((Number(input.value) - least) / (most - least)) * 100}%`;
  track.style.setProperty("--lo", share(low));
  track.style.setProperty("--hi", share(high));
}

function histogram(bars, given) {
  const highest = Math.max(1, ...bars.map(({ count }) => count));
  const within = ({ lo, hi }) => (given.lo === null || hi > given.lo) && (given.hi === null || lo < given.hi);
  return h("div", { class: "histogram", "aria-hidden": "true" },
    bars.map((bar) => h("span", { class: within(bar) ? "in" : "", vars: { height: `${(bar.count / highest) * 100}%` } })));
}

function field(text, end, given, scale, commit) {
  const time = scale.type === "time";
  const value = given[end] === null ? "" : time ? new Date(given[end]).toISOString().slice(0, 10) : given[end];
  const input = h("input", {
    type: time ? "date" : "number", step: time ? null : "any", value, placeholder: text,
    "aria-label": `${label(scale.name)}, ${text.toLowerCase()}`, data: { focus: `${scale.name}:field:${end}` },
  });
  input.defaultValue = input.value; // what it showed last, by which is known whether somebody is typing
  input.addEventListener("change", () => {
    const typed = input.value === "" ? null : time ? Date.parse(input.value) : Number(input.value);
    // The focus is on its way to something else, which must still be there when it arrives.
    setTimeout(() => {
      input.defaultValue = input.value;
      commit(end, Number.isFinite(typed) ? typed : null);
    });
  });
  return input;
}

function rounded(value, { step, type }) {
  const exact = Math.round(value / step) * step;
  return type === "float" ? Number(exact.toPrecision(12)) : Math.round(exact);
}

function shown(value, { type, name }) {
  return type === "time" ? day(value) : number(value, name);
}

function sentence({ lo, hi }, scale) {
  if (lo === null && hi === null) return "Any";
  if (lo === null) return `Up to ${shown(hi, scale)}`;
  return hi === null ? `From ${shown(lo, scale)}` : `${shown(lo, scale)} to ${shown(hi, scale)}`;
}
