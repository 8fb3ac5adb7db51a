/** Makes filters for the start page from some products, where no search has counted anything yet. */

/** Facets as a search has them, without counts. */
export function facetsFrom(products, attributes) {
  const found = {};
  for (const [attribute, { type, filterable }] of Object.entries(attributes)) {
    if (!filterable) continue;
    const given = products.map((product) => product.attributes?.[attribute]).filter((each) => each !== null && each !== undefined);
    if (!given.length) continue;
    found[attribute] = { attribute, type, values: [], ranges: [], sampled: true };
    if (type === "int" || type === "float" || type === "time") found[attribute].ranges = [span(given, type)];
    else found[attribute].values = tallied(given.flat());
  }
  return found;
}

/** Searches to try, made of what the catalog says about itself. */
export function examplesFrom(products, attributes) {
  const kind = named(attributes, /categor|type|kind|product/);
  const look = named(attributes, /colou?r/) ?? named(attributes, /pattern|material|style|brand/);
  const other = named(attributes, /pattern|material|style/);
  const rows = products.map((product) => product.attributes ?? {});
  if (!kind || !look) return products.slice(0, 3).map(({ title }) => ({ words: title.split(" ").slice(0, 3).join(" "), minus: [] }));
  const full = spread(rows.filter((row) => row[kind] && row[look]), kind);
  const examples = full.slice(0, 2).map((row) => ({ words: `${row[look]} ${row[kind]}`, minus: [] }));
  const [, , third, fourth] = full;
  if (third && other && third[other]) examples.push({ words: `${third[other]} ${third[kind]}`, minus: [] });
  if (fourth) examples.push({ words: `${fourth[kind]}`, minus: [fourth[look]] });
  return examples;
}

function span(given, type) {
  const numbers = given.map((each) => (type === "time" ? Date.parse(each) : each)).filter(Number.isFinite);
  return { lo: Math.floor(Math.min(...numbers)), hi: Math.ceil(Math.max(...numbers)), count: null };
}

function tallied(given) {
  const counts = new Map();
  for (const each of given) counts.set(each, (counts.get(each) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1]).map(([value]) => ({ value, count: null }));
}

function named(attributes, pattern) {
  return Object.keys(attributes).find((name) => attributes[name].type === "string" && pattern.test(name));
}

/** Rows of different kinds first. */
function spread(rows, kind) {
  const seen = new Set();
  const first = rows.filter((row) => !seen.has(row[kind]) && seen.add(row[kind]));
  return [...first, ...rows.filter((row) => !first.includes(row))];
}
