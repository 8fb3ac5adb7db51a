/** Prepares photos for a search: upright, cropped to what is meant, and no larger than the towers can use. */

const SIDE = 1024;
const THUMBNAIL = 160;
const QUALITY = 0.9;
const LARGEST = 60_000_000;
let count = 0;

/** A photo could not be used; the message is for people. */
export class PhotoProblem extends Error {}

/**
 * A photo of a search from a file: `file` is what is sent, `url` shows it, `original` is kept for drawing boxes, `box`
 * is the part that is searched with, as shares of width and height, or null.
 */
export async function photoOf(original, box = null) {
  if (original.size > LARGEST) throw new PhotoProblem("That file is larger than 60 MB; choose a smaller one.");
  const bitmap = await decoded(original);
  try {
    const area = pixels(box, bitmap);
    const file = await scaled(bitmap, area, SIDE);
    const thumbnail = await scaled(bitmap, area, THUMBNAIL);
    count += 1;
    return Object.freeze({
      id: `photo-${count}`,
      original,
      box,
      file,
      url: URL.createObjectURL(thumbnail),
      name: original.name || "Photo",
    });
  } finally {
    bitmap.close();
  }
}

/** The whole photo at a size for the screen, upright: `{url, file, width, height}`. */
export async function screenPicture(original, side = 1280) {
  const bitmap = await decoded(original);
  try {
    const file = await scaled(bitmap, pixels(null, bitmap), side);
    return { file, url: URL.createObjectURL(file), width: bitmap.width, height: bitmap.height };
  } finally {
    bitmap.close();
  }
}

async function decoded(file) {
  try {
    // Browsers turn pictures upright here, as the camera noted it.
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new PhotoProblem(`${file.name || "That file"} is no picture that this browser can open. Try JPEG, PNG or WebP.`);
  }
}

function pixels(box, { width, height }) {
  if (!box) return { x: 0, y: 0, width, height };
  const x = Math.round(box.x * width);
  const y = Math.round(box.y * height);
  return {
    x,
    y,
    width: Math.max(1, Math.min(width - x, Math.round(box.width * width))),
    height: Math.max(1, Math.min(height - y, Math.round(box.height * height))),
  };
}

function scaled(bitmap, area, side) {
  const scale = Math.min(1, side / Math.max(area.width, area.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(area.width * scale));
  canvas.height = Math.max(1, Math.round(area.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // what is see-through is white for the towers, too
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, area.x, area.y, area.width, area.height, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new PhotoProblem("This browser could not shrink the photo."))),
      "image/jpeg",
      QUALITY,
    );
  });
}
