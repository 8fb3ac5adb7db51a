/** Shows products' pictures: from the service, or from their own addresses where the service may not fetch them. */

import { currentKey, picture } from "./api.js";
import { h, icon } from "./dom.js";

const SOURCES = new Set((document.querySelector('meta[name="fourtower-pictures"]')?.content ?? "").split(" "));
const KEPT = 300;
/** Without any address an image takes up no room, and would never be seen. */
const EMPTY = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
const kept = new Map();

/** The view of a hit that matched best. */
export function bestView(product) {
  return Math.max(0, (product.images ?? []).indexOf(product.image));
}

/** A product's picture in a frame of its own; a quiet drawing where there is none. */
export function productPicture(product, view, side, alt = "") {
  const own = product.images?.[view];
  const source = own === undefined && product.images ? "none" : sourceOf(own);
  if (source === "none") return missing();
  const image = h("img", { alt, decoding: "async", draggable: false });
  const version = product.version === undefined ? "" : `&version=${product.version}`;
  const path = `products/${encodeURIComponent(product.product_id)}/images/${view}?side=${side}${version}`;
  if (source === "direct") {
    image.referrerPolicy = "no-referrer";
    image.loading = "lazy";
    load(image, own);
  } else if (currentKey()) {
    image.src = EMPTY;
    whenSeen(image, () => withKey(image, path));
  } else {
    image.loading = "lazy";
    load(image, path);
  }
  return image;
}

/** Where a picture comes from: nobody is asked for one that can't be had. */
function sourceOf(named) {
  if (named === undefined) return "service";
  if (named.startsWith("inline:")) return "none";
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(named)) return SOURCES.has("files") || named.startsWith("data:") ? "service" : "none";
  if (SOURCES.has("hosts")) return "service";
  return SOURCES.has("direct") && /^https:/i.test(named) ? "direct" : "none";
}

function load(image, source) {
  image.addEventListener("error", () => image.replaceWith(missing()), { once: true });
  image.addEventListener("load", () => image.classList.add("loaded"), { once: true });
  image.src = source;
}

function whenSeen(image, act) {
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    act();
  }, { rootMargin: "300px" }).observe(image);
}

/** An image element can't send a key, so the bytes are fetched and shown from memory. */
async function withKey(image, path) {
  try {
    if (!kept.has(path)) kept.set(path, URL.createObjectURL(await picture(path)));
    load(image, kept.get(path));
  } catch {
    image.replaceWith(missing());
  }
  while (kept.size > KEPT) {
    const [oldest, url] = kept.entries().next().value;
    kept.delete(oldest);
    URL.revokeObjectURL(url);
  }
}

function missing() {
  return h("span", { class: "no-picture" }, icon("photo"));
}
