/** Says values as people read them: names of attributes, numbers, times, shares. */

const NUMBER = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const MONEY = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const MONEY_NAMES = /price|cost|amount/;

/** `in_stock` as "In stock". */
export function label(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A number as its attribute wants it: prices keep two digits. */
export function number(value, name = "") {
  if (MONEY_NAMES.test(name) && !Number.isInteger(value)) return MONEY.format(value);
  return NUMBER.format(value);
}

/** A day, of milliseconds or ISO 8601. */
export function day(value) {
  const moment = new Date(value);
  return Number.isNaN(moment.getTime()) ? String(value) : DAY.format(moment);
}

/** An attribute's value of any type. */
export function value(given, name = "", type = "") {
  if (given === null || given === undefined) return "–";
  if (type === "time") return day(given);
  if (typeof given === "boolean") return given ? "Yes" : "No";
  if (typeof given === "number") return number(given, name);
  if (Array.isArray(given)) return given.map((each) => value(each, name)).join(", ");
  if (typeof given === "object") return Object.entries(given).map(([key, each]) => `${key}: ${value(each)}`).join(", ");
  return String(given);
}

/** 0.873 as "87 %"; never rounded up to a certainty. */
export function percent(share) {
  if (share > 0 && share < 0.01) return "< 1 %";
  return `${share < 1 ? Math.min(99, Math.round(share * 100)) : 100} %`;
}

/** A number of things, with the right ending. */
export function counted(count, one, many = `${one}s`, suffix = "") {
  return `${NUMBER.format(count)}${suffix} ${count === 1 && !suffix ? one : many}`;
}

/** Milliseconds, no more exact than they are. */
export function milliseconds(given) {
  return given < 10 ? `${given.toFixed(1)} ms` : `${NUMBER.format(Math.round(given))} ms`;
}

/** A signed number with a real minus. */
export function signed(given, digits = 2) {
  const text = Math.abs(given).toFixed(digits);
  return Number(text) === 0 ? text : `${given < 0 ? "−" : "+"}${text}`;
}
