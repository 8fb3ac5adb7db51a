/** The search bar: words, and before them photos, a product and minus-words; below it the balance between them. */

import { chooseBox } from "./cropper.js";
import { byId, h, icon } from "./dom.js";
import { announce, problemToast, toast } from "./notices.js";
import { photoOf } from "./photos.js";
import { productPicture } from "./pictures.js";
import { beginAnew, isMixed, isQuery, joinWords, splitWords } from "./state.js";

let choosing = false;

/** Wire the search bar to the store. Gives `{take, search}`: one takes files in, one looks for what was typed. */
export function searchBar(store, facts) {
  const words = byId("words");
  const amount = byId("amount");
  const search = () => {
    const { words: positive, minus } = splitWords(words.value);
    store.set({ words: positive, minus: unique([...store.get().minus, ...minus]) });
    words.value = positive;
    if (matchMedia("(pointer: coarse)").matches) words.blur(); // the keyboard would hide the results
  };
  words.addEventListener("keydown", (event) => {
    // Who holds the key down wants to be rid of the words, not of everything before them, too.
    if (event.key === "Backspace" && !words.value && !event.repeat) dropLast(store);
  });
  words.addEventListener("input", () => {
    // A minus-word that is complete becomes a chip at once; the search waits for Enter.
    const { minus, words: rest } = splitWords(words.value);
    if (!minus.length || !/\s$/.test(words.value)) return;
    store.set({ minus: unique([...store.get().minus, ...minus]), words: rest });
    words.value = rest ? `${rest} ` : "";
    announce(`Moving away from ${minus.join(", ")}`);
  });
  amount.addEventListener("input", () => showAmount(amount));
  amount.addEventListener("change", () => store.set({ amount: Number(amount.value) }, { replace: true }));
  byId("clear").addEventListener("click", () => {
    beginAnew(store);
    words.focus();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, dialog");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    words.focus();
  });
  let begun = 0; // how often another search was begun, or gone back to
  store.listen((state, before, how) => {
    if (how.anew || how.from === "address") begun += 1;
    if (how.anew && !state.like) words.value = state.words;
    showState(store, facts, before);
  });
  showState(store, facts, null);
  const take = (files) => {
    const now = begun;
    return takeIn(files, store, facts, () => begun === now);
  };
  return { take, search };
}

async function takeIn(files, store, facts, wanted) {
  const fitting = (given) => {
    const { max_images: most } = facts.limits;
    const room = Math.max(0, most - store.get().photos.length);
    if (given.length > room) toast(`A search takes ${most} photos at most.`);
    return given.slice(0, room);
  };
  const found = await Promise.all(
    fitting(files).map((file) =>
      photoOf(file).catch((problem) => {
        problemToast(problem);
        return null;
      }),
    ),
  );
  if (!wanted()) return;
  const photos = fitting(found.filter(Boolean)); // others may have come while these were made smaller
  if (!photos.length) return;
  // What was typed and not yet searched for belongs to this search, too.
  const typed = splitWords(byId("words").value);
  const now = store.get();
  store.set({ photos: [...now.photos, ...photos], words: typed.words, minus: unique([...now.minus, ...typed.minus]) });
}

function showState(store, facts, before) {
  const state = store.get();
  const parts = [
    ...state.photos.map((photo, place) => photoPart(photo, place, store, facts)),
    ...(state.like ? [likePart(state.like, store)] : []),
    ...state.minus.map((word) => minusPart(word, store)),
  ];
  const list = byId("parts");
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  list.replaceChildren(...parts);
  list.hidden = !parts.length;
  [...list.querySelectorAll("button")].find((each) => each.dataset.focus === focused)?.focus({ preventScroll: true });
  const words = byId("words");
  // What is typed and not yet searched for stays, whatever else changes; also what was typed before this was ready.
  const other = before ? state.words !== before.words && splitWords(words.value).words !== state.words : !words.value;
  if (other) words.value = state.words;
  words.placeholder = parts.length ? "Add words, such as “in green”" : "What are you looking for?";
  byId("clear").hidden = !isQuery(state);
  byId("mix").hidden = !isMixed(state);
  byId("mix-photo").textContent = state.photos.length > 1 ? "Photos" : state.photos.length ? "Photo" : "Product";
  if (state.amount === before?.amount) return; // somebody may be moving it
  const amount = byId("amount");
  amount.value = state.amount;
  showAmount(amount);
}

function showAmount(amount) {
  const photo = Number(amount.value);
  amount.setAttribute("aria-valuetext", `${photo} % photo, ${100 - photo} % words`);
  amount.style.setProperty("--filled", `${photo}%`);
}

/** Search with a part of a photo, if it is still searched with when that has been chosen and cut out. */
async function crop(photo, store, facts) {
  const wanted = () => store.get().photos.includes(photo);
  const box = await chooseBox(photo, { detectors: facts.detectors, wanted });
  if (box === undefined) return;
  const cropped = await photoOf(photo.original, box);
  if (wanted()) store.set({ photos: store.get().photos.map((other) => (other === photo ? cropped : other)) });
}

function photoPart(photo, place, store, facts) {
  const without = () => store.get().photos.filter((other) => other !== photo);
  const choose = async () => {
    if (choosing) return; // pressed again while the picture is made ready
    choosing = true;
    await crop(photo, store, facts).catch(problemToast);
    choosing = false;
  };
  return h("li", { class: "part" },
    h("button", { type: "button", class: "part-photo", data: { focus: `box ${place}` }, "aria-label": `${photo.box ? "Part of " : ""}${photo.name}: draw a box on it`, onclick: choose },
      h("img", { src: photo.url, alt: "" }), h("span", { class: "part-badge" }, icon("crop"))),
    removeButton(`Remove ${photo.name}`, () => store.set({ photos: without() })));
}

function likePart(like, store) {
  const title = like.title ?? like.id;
  return h("li", { class: "part" },
    h("span", { class: "part-photo part-like", role: "img", "aria-label": `Like ${title}`, title: `Like ${title}` },
      productPicture({ product_id: like.id, version: like.version, images: like.images }, like.view, 160)),
    removeButton(`Remove ${title}`, () => store.set({ like: null })));
}

function minusPart(word, store) {
  return h("li", { class: "part minus" },
    h("span", {}, h("span", { class: "minus-sign", "aria-hidden": "true" }, "−"), h("span", { class: "visually-hidden" }, "not "), word),
    removeButton(`Allow ${word} again`, () => store.set({ minus: store.get().minus.filter((other) => other !== word) })));
}

function removeButton(said, remove) {
  return h("button", { type: "button", class: "remove", data: { focus: said }, "aria-label": said, onclick: () => {
    remove();
    byId("words").focus();
  } }, icon("close"));
}

function dropLast(store) {
  const { minus, like, photos } = store.get();
  if (minus.length) store.set({ minus: minus.slice(0, -1) });
  else if (like) store.set({ like: null });
  else if (photos.length) store.set({ photos: photos.slice(0, -1) });
}

function unique(words) {
  return [...new Set(words)].slice(0, 8);
}

/** The whole query as one line, for titles and announcements. */
export function queryLine(state) {
  const shown = [
    ...(state.photos.length ? [state.photos.length > 1 ? `${state.photos.length} photos` : "your photo"] : []),
    ...(state.like ? [`products like ${state.like.title ?? state.like.id}`] : []),
    ...(joinWords(state.words, []) ? [`“${state.words}”`] : []),
  ].join(" and ");
  return `${shown}${state.minus.length ? `, not ${state.minus.join(", ")}` : ""}`;
}
