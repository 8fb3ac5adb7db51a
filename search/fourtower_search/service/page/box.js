/** Does the sums of a box on a photo: drawn, moved and resized, as shares of the photo, and never outside it. */

export const SMALLEST = 0.04;
export const WHOLE = Object.freeze({ x: 0, y: 0, width: 1, height: 1 });
const SHORT = 0.02;

/** The box between two corners; tiny ones become null, for they were clicks. */
export function between(one, other) {
  const box = {
    x: clamp(Math.min(one.x, other.x)),
    y: clamp(Math.min(one.y, other.y)),
    width: Math.abs(clamp(one.x) - clamp(other.x)),
    height: Math.abs(clamp(one.y) - clamp(other.y)),
  };
  return box.width < SHORT || box.height < SHORT ? null : fitted(box);
}

/** The box moved by shares of the photo. */
export function moved(box, dx, dy) {
  return { ...box, x: clamp(box.x + dx, 1 - box.width), y: clamp(box.y + dy, 1 - box.height) };
}

/** The box with the edges named in `edges` ("nw", "e", ...) moved. */
export function resized(box, edges, dx, dy) {
  let { x, y, width, height } = box;
  if (edges.includes("w")) {
    const left = Math.min(clamp(x + dx), x + width - SMALLEST);
    width += x - left;
    x = left;
  }
  if (edges.includes("n")) {
    const top = Math.min(clamp(y + dy), y + height - SMALLEST);
    height += y - top;
    y = top;
  }
  if (edges.includes("e")) width = Math.min(1 - x, Math.max(SMALLEST, width + dx));
  if (edges.includes("s")) height = Math.min(1 - y, Math.max(SMALLEST, height + dy));
  return { x, y, width, height };
}

/** What a key does to a box: arrows move, with Shift they resize, + and - grow and shrink; null for other keys. */
export function keyed(box, { key, shiftKey, altKey }) {
  const step = altKey ? 0.005 : 0.025;
  const arrow = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[key];
  if (arrow) return shiftKey ? resized(box, "se", ...arrow) : moved(box, ...arrow);
  if (key === "+" || key === "=") return resized(resized(box, "nw", -step, -step), "se", step, step);
  if (key === "-" || key === "_") return resized(resized(box, "nw", step, step), "se", -step, -step);
  return null;
}

/** A box that lies within the photo and is large enough to look at. */
export function fitted({ x, y, width, height }) {
  const wide = Math.min(1, Math.max(SMALLEST, width));
  const high = Math.min(1, Math.max(SMALLEST, height));
  return { x: clamp(x, 1 - wide), y: clamp(y, 1 - high), width: wide, height: high };
}

/** Whether the box is as good as the whole photo. */
export function isWhole(box) {
  return !box || (box.width > 0.985 && box.height > 0.985);
}

/** The box in words, for those who can't see it. */
export function described(box) {
  const share = (value) => `${Math.round(value * 100)} %`;
  return `${share(box.width)} wide, ${share(box.height)} high, ${share(box.x)} from the left, ${share(box.y)} from the top`;
}

function clamp(value, most = 1) {
  return Math.min(most, Math.max(0, value));
}
