/** Takes photos in, however they come: chosen, taken, dropped or pasted. */

import { byId } from "./dom.js";

/** Call `take(files)` for every way in which pictures can come. */
export function watchForPhotos(take) {
  const [files, camera] = [byId("files"), byId("camera")];
  for (const input of [files, camera]) {
    input.addEventListener("change", () => {
      const chosen = [...input.files];
      input.value = "";
      if (chosen.length) take(chosen);
    });
  }
  byId("add-photo").addEventListener("click", () => files.click());
  byId("choose-photo").addEventListener("click", () => files.click());
  byId("take-photo").addEventListener("click", () => camera.click());
  watchPaste(take);
  watchDrop(take);
}

function watchPaste(take) {
  document.addEventListener("paste", (event) => {
    const pasted = pictures(event.clipboardData);
    if (!pasted.length) return;
    event.preventDefault();
    take(pasted);
  });
}

function watchDrop(take) {
  const veil = byId("veil");
  let depth = 0; // enter and leave come for every element on the way
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && !document.querySelector("dialog[open]");
  const lift = () => {
    depth = 0;
    veil.hidden = true;
  };
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    veil.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth -= 1;
    if (depth <= 0) lift();
  });
  addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // the browser would open the file in the page's place
    lift();
    if (!document.querySelector("dialog[open]")) take(pictures(event.dataTransfer, { all: true }));
  });
}

function pictures(transfer, { all = false } = {}) {
  return [...(transfer?.files ?? [])].filter((file) => all || file.type.startsWith("image/"));
}
