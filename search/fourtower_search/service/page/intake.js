/** Takes photos in, however they come: chosen, taken, dropped or pasted. */

import { byId } from "./dom.js";

const GONE_MS = 800;

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
  let lifting = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && !document.querySelector("dialog[open]");
  const lift = () => {
    clearTimeout(lifting);
    veil.hidden = true;
  };
  // Enter and leave can't be counted: nobody leaves an element that is exchanged meanwhile. Over comes all the time.
  for (const kind of ["dragenter", "dragover"]) {
    addEventListener(kind, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
      if (!carriesFiles(event)) return;
      veil.hidden = false;
      clearTimeout(lifting);
      lifting = setTimeout(lift, GONE_MS);
    });
  }
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
