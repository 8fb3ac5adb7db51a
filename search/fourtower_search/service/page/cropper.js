/** Lets people draw a box around what they mean, by pointer or keyboard, or take one that a detector proposes. */

import { call } from "./api.js";
import { between, described, fitted, isWhole, keyed, moved, resized, WHOLE } from "./box.js";
import { h, icon } from "./dom.js";
import { announce, problemToast } from "./notices.js";
import { screenPicture } from "./photos.js";
import { openSheet } from "./sheets.js";

const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

/**
 * Ask for a box on a photo; gives the box, null for the whole photo, or undefined if nothing was chosen. Nobody is asked
 * if the photo is not `wanted()` any more when it is ready.
 */
export async function chooseBox(photo, { detectors, wanted }) {
  const picture = await screenPicture(photo.original);
  try {
    if (!wanted()) return undefined;
    return await new Promise((resolve) => show(photo, picture, detectors, resolve));
  } finally {
    URL.revokeObjectURL(picture.url);
  }
}

function show(photo, picture, detectors, resolve) {
  const frame = h("div", { class: "crop-box", tabindex: "0", role: "group", "aria-label": "Box around what you mean", "aria-describedby": "crop-help" },
    HANDLES.map((edges) => h("span", { class: `crop-handle ${edges}`, data: { edges } })));
  const proposals = h("div", { class: "crop-proposals" });
  const stage = h("div", { class: "crop-stage", vars: { ratio: picture.width / picture.height } },
    h("img", { src: picture.url, alt: "Your photo", draggable: false }), h("span", { class: "crop-shade" }), frame, proposals);
  const said = h("p", { class: "crop-said", "aria-live": "polite" });
  const help = h("p", { class: "sheet-lead", id: "crop-help" }, "Draw a box around it.", h("span", { class: "fine-pointer" }, " With the keyboard: arrows move the box, Shift and arrows change its size, + and − grow and shrink it."));
  const open = new AbortController();
  let box = photo.box ?? WHOLE;

  const place = (next) => {
    box = next;
    for (const name of ["x", "y", "width", "height"]) stage.style.setProperty(`--${name}`, `${box[name] * 100}%`);
    frame.dataset.box = [box.x, box.y, box.width, box.height].map((share) => share.toFixed(3)).join(" ");
    said.textContent = isWhole(box) ? "The whole photo" : `Box: ${described(box)}`;
  };
  const find = detectors.length
    ? h("button", { type: "button", class: "button", onclick: () => propose(picture.file, { proposals, place, button: find, frame, help, signal: open.signal }) }, icon("wand"), "Find objects")
    : null;

  const sheet = openSheet({
    name: "crop",
    title: "What do you mean?",
    content: [
      help,
      h("div", { class: "crop-room" }, stage),
      said,
    ],
    actions: [
      find,
      h("button", { type: "button", class: "button", onclick: () => place(WHOLE) }, "Whole photo"),
      h("button", { type: "button", class: "button primary", onclick: () => done(isWhole(box) ? null : box) }, "Search with this"),
    ],
    focus: frame,
    onclose: () => {
      open.abort();
      resolve(undefined);
    },
  });
  const done = (chosen) => {
    resolve(chosen);
    sheet.close();
  };
  frame.addEventListener("keydown", (event) => {
    if (event.key === "Enter") return done(isWhole(box) ? null : box);
    const next = keyed(box, event);
    if (next) {
      event.preventDefault();
      place(next);
    }
  });
  followPointer(stage, frame, () => box, place);
  place(box);
}

function followPointer(stage, frame, current, place) {
  const at = (event) => {
    const area = stage.getBoundingClientRect();
    return { x: (event.clientX - area.left) / area.width, y: (event.clientY - area.top) / area.height };
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary || event.target.closest(".crop-proposal")) return;
    event.preventDefault();
    frame.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    const start = at(event);
    const before = current();
    const drawn = new AbortController();
    const { edges } = event.target.dataset;
    const inside = event.target === frame && !isWhole(before);
    const move = (moving) => {
      if (moving.pointerId !== event.pointerId) return; // a second finger
      const now = at(moving);
      const [dx, dy] = [now.x - start.x, now.y - start.y];
      place(edges ? resized(before, edges, dx, dy) : inside ? moved(before, dx, dy) : (between(start, now) ?? before));
    };
    stage.addEventListener("pointermove", move, { signal: drawn.signal });
    for (const kind of ["pointerup", "pointercancel"]) {
      stage.addEventListener(kind, ({ pointerId }) => pointerId === event.pointerId && drawn.abort(), { signal: drawn.signal });
    }
  });
}

async function propose(file, { proposals, place, button, frame, help, signal }) {
  button.disabled = true;
  try {
    const { boxes } = await call("detect", { files: [file], signal });
    proposals.replaceChildren(...boxes.map((found) => proposal(found, place, frame)));
    announce(boxes.length ? `${boxes.length} objects found; choose one, or draw your own box.` : "No objects were found; draw a box.");
    if (!boxes.length) help.textContent = "Nothing was found for sure; draw a box around what you mean.";
    // Whoever draws a box meanwhile is not called away from it.
    if (document.activeElement !== frame) proposals.querySelector("button")?.focus();
  } catch (problem) {
    problemToast(problem);
  } finally {
    button.disabled = false;
  }
}

function proposal(found, place, frame) {
  const { label, score } = found;
  const name = label || "Object";
  const choose = () => {
    place(fitted(found));
    frame.focus();
  };
  const share = { x: found.x, y: found.y, width: found.width, height: found.height };
  return h("button", {
    type: "button",
    class: "crop-proposal",
    "aria-label": `Use the box around: ${name}, ${Math.round(score * 100)} % sure`,
    vars: Object.fromEntries(Object.entries(share).map(([key, part]) => [key, `${part * 100}%`])),
    onclick: choose,
  }, h("span", {}, name));
}
