// Copying to the clipboard.

import { element, say } from "./dom.js";

// Copies an image. Clipboards accept PNG only.
export function copyImage(blob, button) {
  const png = blob.type === "image/png" ? blob : asPNG(blob);
  confirmCopy(button, navigator.clipboard.write([new ClipboardItem({ "image/png": png })]));
}

export function copyText(text, button) {
  confirmCopy(button, navigator.clipboard.writeText(text));
}

async function asPNG(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = element("canvas", "");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

async function confirmCopy(button, copying) {
  const label = (button.dataset.label ??= button.textContent);
  try {
    await copying;
    button.textContent = "Copied";
    say("Copied.");
  } catch {
    say("The browser did not allow copying.");
  }
  setTimeout(() => (button.textContent = label), 1500);
}
