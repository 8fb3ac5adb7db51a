/** What the page has to know of the service before it can ask anything: the catalog's attributes, limits, plugins. */

import { call } from "./api.js";

/** The facts of `/schema`, with a value for everything that the page uses. */
export async function loadFacts() {
  const said = await call("schema");
  return Object.freeze({
    attributes: said.schema?.attributes ?? said.attributes ?? {},
    demo: Boolean(said.demo),
    limits: { max_images: 8, ...said.limits },
    detectors: said.detectors ?? [],
  });
}
