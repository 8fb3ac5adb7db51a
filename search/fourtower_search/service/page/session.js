/** One search, from its first page to its last: asks the service for hits, counts and explanations. */

import { call } from "./api.js";
import { isPreferring } from "./prefer.js";
import { PAGE, facetsOf, searchOf, where } from "./requests.js";
import { facetsFrom } from "./sampling.js";
import { isQuery } from "./state.js";

const EXPLAINED = 100;
const SAMPLE = 96;

/** A search under way; without a query the catalog itself is leafed through. */
export class Session {
  constructor(state, facts) {
    this.state = state;
    this.facts = facts;
    this.browsing = !isQuery(state);
    this.next = null;
    this.shown = 0;
    this.explanations = null;
    this.best = null;
    this.controller = new AbortController();
  }

  /** Give up: hits and counts that are still on their way are dropped. */
  stop() {
    this.controller.abort();
  }

  /** The first page: `{hits, total, truncated, facets, timings, took}`. */
  async first() {
    return this.browsing ? await this.leaf("") : await this.search();
  }

  /** The next page's hits; none after the last. */
  async more() {
    if (this.next === null) return [];
    if (this.browsing) return (await this.leaf(this.next)).hits;
    const page = await this.post("search", await this.request({ cursor: this.next }));
    this.next = page.next_cursor ?? null;
    this.shown += page.hits.length;
    return page.hits;
  }

  /**
   * Counts for the attributes that are filtered by, as if each one's own filter were not there: they say what
   * choosing another value would find.
   */
  async otherFacets() {
    const names = Object.keys(this.state.filters);
    const found = await Promise.all(names.map((name) => this.facetWithout(name)));
    return Object.assign({}, ...found);
  }

  /** How a hit's score came about. The first hits are explained together, as they were ranked together. */
  async explanation(productId) {
    this.explanations ??= this.explainFirst().catch((problem) => {
      this.explanations = null;
      throw problem;
    });
    const known = await this.explanations;
    return known.get(productId) ?? (await this.explainOne(productId));
  }

  async search() {
    const { attributes } = this.facts;
    const began = performance.now();
    const page = await this.post("search", await this.request({ facets: facetsOf(attributes) }));
    this.next = page.next_cursor ?? null;
    this.shown = page.hits.length;
    return {
      hits: page.hits,
      total: page.total,
      truncated: page.truncated,
      facets: page.facets ?? {},
      timings: page.timings_ms ?? {},
      took: performance.now() - began,
    };
  }

  async leaf(after) {
    const filter = filterOf(this.state.filters, this.facts.attributes);
    const asked = { ...filter, limit: after ? PAGE : SAMPLE, ...(after ? { after } : {}) };
    const began = performance.now();
    const [page, counted] = await Promise.all([
      this.post("products/scan", { body: asked }),
      after ? null : this.post("products/count", { body: filter }),
    ]);
    const { products } = page;
    // The first page is also what filters are made from, so it is longer than what is shown of it.
    const hits = after ? products : products.slice(0, PAGE);
    this.next = page.more || hits.length < products.length ? (hits.at(-1)?.product_id ?? null) : null;
    return {
      hits,
      total: counted?.count ?? products.length,
      truncated: false,
      facets: after ? {} : facetsFrom(products, this.facts.attributes),
      timings: {},
      took: performance.now() - began,
    };
  }

  async facetWithout(name) {
    const { attributes } = this.facts;
    const { [name]: _, ...filters } = this.state.filters;
    if (this.browsing) {
      const { products } = await this.post("products/scan", { body: { ...filterOf(filters, attributes), limit: SAMPLE } });
      return facetsFrom(products, { [name]: attributes[name] });
    }
    const request = searchOf({ ...this.state, filters, prefer: {} }, attributes, { facets: facetsOf(attributes, name), limit: 1 });
    return (await this.post("search", request)).facets ?? {};
  }

  async explainFirst() {
    const limit = Math.min(EXPLAINED, Math.max(PAGE, this.shown));
    return explained(await this.explain(await this.request({ explain: true, limit })));
  }

  async explainOne(productId) {
    const { body, files } = await this.request({ explain: true, limit: 1 });
    const only = { field: "product_id", eq: productId };
    const page = await this.explain({ body: { ...body, where: { must: [only] } }, files });
    return explained(page).get(productId) ?? null;
  }

  async request(more) {
    const { attributes } = this.facts;
    if (isPreferring(this.state)) this.best ??= await this.bestWithoutPreferences();
    return searchOf(this.state, attributes, more, this.best ?? 0);
  }

  async bestWithoutPreferences() {
    const plain = searchOf({ ...this.state, prefer: {} }, this.facts.attributes, { limit: 1 });
    return (await this.post("search", plain)).hits[0]?.relevance ?? 0;
  }

  /** Its hits stay in sight until the next search has some, and may be asked about until then. */
  async explain({ body, files }) {
    return await call("search", { body, files, method: "POST" });
  }

  async post(path, { body, files = [] }) {
    return await call(path, { body, files, signal: this.controller.signal, method: "POST" });
  }
}

function filterOf(filters, attributes) {
  const filter = where(filters, attributes);
  return filter ? { where: filter } : {};
}

function explained(page) {
  return new Map(page.hits.map((hit) => [hit.product_id, hit.explanation]));
}
