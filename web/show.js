// How an image and its result are shown.

import { $, element, hide } from "./dom.js";
import { DEFAULTS, resultName } from "./options.js";

const FORMATS = { "image/png": "PNG", "image/webp": "WebP", "image/jpeg": "JPEG" };

export function isBusy({ phase }) {
  return phase !== "done" && phase !== "failed";
}

function phaseText({ phase, sent, words }) {
  return {
    waiting: "Waiting",
    uploading: `Uploading ${Math.round(sent * 100)} %`,
    working: "Working",
    pausing: "Busy, waiting to retry",
    done: "Done",
    failed: words,
  }[phase];
}

function showProgress(bar, { phase, sent }) {
  if (phase === "waiting") bar.value = 0;
  else if (phase === "uploading") bar.value = sent;
  else bar.removeAttribute("value");
}

export function showItem(image) {
  const { item, phase, original, result } = image;
  item.className = phase;
  const shown = result ?? original;
  if (image.shown !== shown) item.querySelector("img").src = image.shown = shown;
  item.querySelector(".state").textContent = phaseText(image);
  item.querySelector("progress").hidden = !isBusy(image);
  showProgress(item.querySelector("progress"), image);
}

// Returns the upright size of an image, or null if the browser cannot decode it (TIFF).
export async function measure(source) {
  const probe = new Image();
  probe.src = source;
  try {
    await probe.decode();
    return { width: probe.naturalWidth, height: probe.naturalHeight };
  } catch {
    return null;
  }
}

export function showStage(image) {
  const { phase, size, result, code, words, detail, id } = image;
  const failed = phase === "failed";
  const compared = Boolean(size && result);
  const busy = isBusy(image);
  $("stage").classList.toggle("waiting", busy && !result);
  $("stage").ariaBusy = String(busy);
  $("frame").hidden = failed || !(size || result);
  $("source").hidden = !size;
  for (const part of ["divider", "split", "box"]) $(part).hidden = !compared;
  if (!$("frame").hidden) showFrame(image, compared);

  $("progress").hidden = !busy;
  $("phase").textContent = phaseText(image);
  showProgress($("bar"), image);

  hide($("failure"), !failed);
  $("failure-words").textContent = words;
  $("failure-detail").textContent = detail;
  $("failure-code").textContent = [code, id && `request ${id}`].filter(Boolean).join(", ");
  $("key-form").hidden = code !== "unauthorized";
  $("again").hidden = code === "unauthorized";

  $("note").hidden = !result || compared;
  $("note").textContent = image.url
    ? "This page contacts only the service, which fetched the image: there is no original to show."
    : "This browser cannot show the original.";

  for (const part of ["download", "copy"]) $(part).hidden = !result;
  $("copy").hidden ||= !globalThis.ClipboardItem || !navigator.clipboard;
  if (!result) return;
  $("download").href = result;
  $("download").download = resultName(image);
  $("download").textContent = `Download ${FORMATS[image.blob.type]}`;
}

function showFrame(image, compared) {
  const { name, size, result, width, height, fields, box } = image;
  const frame = size ?? { width, height };
  const place = (part, { left, top, width, height }) => {
    const share = (length, whole) => `${(length / whole) * 100}%`;
    part.style.left = share(left, frame.width);
    part.style.top = share(top, frame.height);
    part.style.width = share(width, frame.width);
    part.style.height = share(height, frame.height);
  };
  $("frame").style.setProperty("--ratio", frame.width / frame.height);
  $("original").alt = `The original: ${name}`;
  if (size) $("original").src = image.original;
  $("result").hidden = !result;
  if (result) {
    $("result").src = result;
    $("result").alt = `The result: ${name}`;
    const cropped = compared && fields.crop !== "false";
    const margin = Number(fields.margin ?? DEFAULTS.margin);
    place($("result"), cropped ? grown(box, margin, frame) : { left: 0, top: 0, ...frame });
    place($("box"), box);
  }
  showSplit(compared ? $("split").value : 100);
}

// Returns a box with a margin, clipped to the image. The result may be scaled, so its own size does
// not tell.
function grown(box, margin, frame) {
  const left = Math.max(0, box.left - margin);
  const top = Math.max(0, box.top - margin);
  const right = Math.min(frame.width, box.left + box.width + margin);
  const bottom = Math.min(frame.height, box.top + box.height + margin);
  return { left, top, width: right - left, height: bottom - top };
}

function showSplit(percent) {
  $("frame").style.setProperty("--split", `${percent}%`);
  $("split").setAttribute("aria-valuetext", `${percent} % original`);
}

$("split").addEventListener("input", () => showSplit($("split").value));

export function showFacts(image) {
  $("facts").hidden = !image;
  if (!image) return;
  const { width, height, blob, box, confidence, parts, fields, took, id, times } = image;
  const total = times.reduce((sum, [, dur]) => sum + dur, 0);
  const warning = confidence < 0.5 ? ": check the result" : "";
  const kept = (fields.subject ?? DEFAULTS.subject) === "all" ? parts : 1;
  const figures = {
    Result: `${width} × ${height} px`,
    File: size(blob.size),
    "Subject's box": `${box.width} × ${box.height} at ${box.left}, ${box.top}`,
    ...(confidence !== "" && {
      Confidence: `${Math.round(confidence * 100)} %${warning}`,
    }),
    ...(parts > 1 && { Parts: `${parts}, ${kept === parts ? "all" : "the largest"} kept` }),
    "Total time": milliseconds(took),
    Request: id,
  };
  $("figures").replaceChildren(
    ...Object.entries(figures).map(([name, figure]) => {
      const pair = element("div", "");
      pair.append(element("dt", "", name), element("dd", "", figure));
      return pair;
    }),
  );
  $("times").replaceChildren(
    ...times.map(([step, dur]) => element("li", "", `${step} ${milliseconds(dur)}`)),
  );
  $("times-bar").replaceChildren(
    ...times.map(([, dur]) => {
      const part = element("i", "");
      part.style.width = `${(dur / total) * 100}%`;
      return part;
    }),
  );
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
