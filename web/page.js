// The web page, in the order of an image's path: options, adding images, sending, showing the
// result, downloading and copying, and the same request as code.

// What each error means to the user. The service's own sentence, with figures, is shown below it.
const ERRORS = {
  invalid_request: "The service rejected these options.",
  invalid_url: "The service cannot fetch this address. It must begin with http:// or https://.",
  url_not_allowed: "The service fetches images from public addresses only.",
  unauthorized: "This service requires a key.",
  not_found: "The service is no longer at this address.",
  method_not_allowed: "Something between this page and the service changed the request.",
  request_too_large: "This file is too large.",
  unsupported_media_type: "Something between this page and the service changed its content type.",
  source_http_error: "The image's server responded with an error.",
  too_many_redirects: "This address redirects too many times.",
  source_too_large: "The image at this address is too large.",
  empty_source: "This file is empty.",
  unsupported_encoding: "The image's server used a compression that was not requested.",
  unsupported_image_type: "This file format is not supported. Save the image as JPEG or PNG.",
  image_corrupt: "This image is damaged. Does it open in another program?",
  image_too_large: "This image has too many pixels. Make it smaller and try again.",
  format_unsupported: "The result is too large for WebP. Choose PNG.",
  no_subject_found: "No subject was found in this image.",
  busy: "The service is busy. Try again in a moment.",
  internal_error: "The service failed because of a defect. Try again, or report the request below.",
  source_unreachable: "The image's server could not be reached.",
  shutting_down: "The service is restarting. Try again in a moment.",
  out_of_memory: "The service is short of memory. Try again, or make the image smaller.",
  source_timeout: "The image's server took too long.",
  deadline_exceeded: "This took too long. Try again, or make the image smaller.",
};
const NO_RESPONSE = "The service did not respond. Is it running, and does the file still exist?";
const UNEXPECTED_RESPONSE = "The response did not come from the service.";

const AT_ONCE = 3; // one in progress and two on their way, so that the service is never idle
const MOST_TRIES = 20;
const SETTLED = 250; // milliseconds without a change before the options are applied
const LARGEST_ZIP = 0xffffffff; // offsets have 32 bits without ZIP64 (APPNOTE, 4.4.1.4)

const $ = (id) => document.getElementById(id);
const BASE = new URL(".", location.href).href.replace(/\/$/, "");
const images = [];
let current = null;
let active = 0;
let key = "";

// Options. To add one, add a field to the form. Fields whose values differ from the initial ones
// are sent under their names.

const options = $("options");
options.reset(); // a browser may restore earlier choices when the page is reloaded
const DEFAULTS = Object.fromEntries(new FormData(options));
let settling = 0;

function chosen() {
  return Object.fromEntries(
    [...new FormData(options)].filter(([name, value]) => value !== DEFAULTS[name]),
  );
}

// Parses values like the service: valid JSON (true, 10) as JSON, everything else as text.
function typed(fields) {
  const parse = (text) => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  return Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, parse(text)]));
}

function optionsChanged() {
  $("margin").disabled = options.elements.crop.value === "false";
  $("background").disabled = $("color").disabled = options.elements.output.value === "mask";
  clearTimeout(settling);
  if (!options.checkValidity()) return;
  showCalls();
  settling = setTimeout(() => images.forEach(redo), SETTLED);
}

options.addEventListener("input", (event) => {
  if (event.target === $("color")) $("background").value = event.target.value;
  if (/^#[\da-f]{6}/i.test($("background").value))
    $("color").value = $("background").value.slice(0, 7).toLowerCase();
  optionsChanged();
});
options.addEventListener("reset", () => setTimeout(optionsChanged));
options.addEventListener("submit", (event) => event.preventDefault());

// Images, however they are added. An image is waiting, uploading, working, pausing, done or failed.

function add(sources) {
  const added = sources.map(({ file, url }) => ({
    file,
    url,
    name: file?.name ?? lastPart(url),
    stem: stem(file?.name ?? lastPart(url)),
    original: file ? URL.createObjectURL(file) : "",
    size: file ? undefined : null,
    phase: "waiting",
    item: element("li", ""),
  }));
  for (const image of added) {
    const button = Object.assign(element("button", ""), { type: "button" });
    const thumbnail = Object.assign(new Image(), { alt: "", draggable: false });
    thumbnail.addEventListener("error", () => (thumbnail.hidden = true));
    thumbnail.addEventListener("load", () => (thumbnail.hidden = false));
    const thumb = element("span", "thumb");
    thumb.append(thumbnail);
    const bar = element("progress", "");
    bar.ariaHidden = "true"; // the text next to it says the same
    button.append(thumb, element("span", "file", image.name), element("span", "state"), bar);
    button.addEventListener("click", () => select(image));
    image.item.append(button);
    $("list").append(image.item);
    images.push(image);
    showItem(image);
  }
  if (added.length === 0) return;
  say(`Sending ${added.length === 1 ? added[0].name : `${added.length} images`}.`);
  select(added[0]);
  sendNext();
}

function lastPart(url) {
  return (URL.canParse(url) && new URL(url).pathname.split("/").pop()) || url;
}

// Returns a file's name without its extension, valid on every operating system.
function stem(name) {
  return name.replace(/\.[^.]*$/, "").replace(/[\\/:*?"<>|\p{Cc}]/gu, "_") || "image";
}

function resultName({ stem, fields = chosen() }) {
  return `${stem}-${fields.output ?? DEFAULTS.output}.${fields.format ?? DEFAULTS.format}`;
}

function redo(image) {
  stop(image);
  image.phase = "waiting";
  showPhase(image);
  sendNext();
}

function stop(image) {
  image.turn = null;
  image.request?.abort();
}

function forget(image) {
  stop(image);
  URL.revokeObjectURL(image.original);
  URL.revokeObjectURL(image.result);
}

function addFiles(files) {
  add([...files].map((file) => ({ file })));
}

for (const button of document.querySelectorAll("[data-pick]"))
  button.addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  addFiles($("file").files);
  $("file").value = "";
});
$("sample").addEventListener("click", async () => {
  const response = await fetch("sample.jpg");
  add([{ file: new File([await response.blob()], "sample.jpg", { type: "image/jpeg" }) }]);
});
$("url-form").addEventListener("submit", (event) => {
  event.preventDefault();
  add([{ url: $("url").value.trim() }]);
});
$("clear").addEventListener("click", () => {
  images.splice(0).forEach(forget);
  $("list").replaceChildren();
  select(null);
  document.querySelector("[data-pick]").focus();
});

function take(data, event) {
  const address = (data.getData("text/uri-list") || data.getData("text/plain"))
    .split(/\r?\n/)
    .find((line) => /^https?:\/\//i.test(line));
  if (data.files.length === 0 && !address) return;
  event.preventDefault();
  if (data.files.length) addFiles(data.files);
  else add([{ url: address.trim() }]);
}

document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length || !event.target.closest("input"))
    take(event.clipboardData, event);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  take(event.dataTransfer, event);
});

// Sending: a few images at a time, the selected one first. After `busy`, wait for Retry-After.

function sendNext() {
  while (active < AT_ONCE) {
    const next =
      current?.phase === "waiting" ? current : images.find(({ phase }) => phase === "waiting");
    if (!next) return;
    active += 1;
    work(next).finally(() => {
      active -= 1;
      sendNext();
    });
  }
}

async function work(image) {
  const turn = (image.turn = {}); // replaced when the image is sent again or removed
  image.phase = "uploading";
  for (let tries = 1; ; tries += 1) {
    const response = await send(image, chosen());
    if (image.turn !== turn) return;
    if (response.code !== "busy" || tries === MOST_TRIES) {
      receive(image, response);
      return;
    }
    image.phase = "pausing";
    showPhase(image);
    await new Promise((resolve) => setTimeout(resolve, response.retryAfter * 1000));
    if (image.turn !== turn) return;
  }
}

function send(image, fields) {
  const request = new XMLHttpRequest(); // fetch reports no upload progress
  const started = performance.now();
  const at = (phase, sent) => {
    Object.assign(image, { phase, sent });
    showPhase(image);
  };
  image.request = request;
  request.open("POST", image.file ? "remove-background/upload" : "remove-background");
  request.responseType = "blob";
  if (key) request.setRequestHeader("X-Api-Key", key);
  const response = new Promise((resolve) => {
    request.onload = async () => resolve(await read(request, fields, performance.now() - started));
    request.onerror = () => resolve({ words: NO_RESPONSE });
    request.onabort = () => resolve({});
  });
  if (image.file) {
    const form = new FormData();
    form.append("image", image.file);
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    request.upload.onprogress = (event) => at("uploading", event.loaded / event.total);
    request.upload.onload = () => at("working");
    at("uploading", 0);
    request.send(form);
  } else {
    request.setRequestHeader("Content-Type", "application/json");
    at("working");
    request.send(JSON.stringify({ image_url: image.url, ...typed(fields) }));
  }
  return response;
}

async function read(request, fields, took) {
  const header = (name) => request.getResponseHeader(name) ?? "";
  const id = header("X-BentoML-Request-ID");
  if (request.status === 200 && header("X-Width")) {
    const [width, height] = ["X-Width", "X-Height"].map((name) => Number(header(name)));
    const [left, top, boxWidth, boxHeight] = ["Left", "Top", "Width", "Height"].map((side) =>
      Number(header(`X-Foreground-${side}`)),
    );
    const box = { left, top, width: boxWidth, height: boxHeight };
    const times = [...header("Server-Timing").matchAll(/([\w-]+);dur=([\d.]+)/g)].map(
      ([, step, dur]) => [step, Number(dur)],
    );
    const confidence = header("X-Subject-Confidence") && Number(header("X-Subject-Confidence"));
    return { blob: request.response, fields, width, height, box, times, took, id, confidence };
  }
  try {
    const { error, code } = JSON.parse(await request.response.text());
    return {
      code,
      words: ERRORS[code] ?? error,
      detail: error,
      id,
      retryAfter: Number(header("Retry-After")) || 1,
    };
  } catch {
    return { words: UNEXPECTED_RESPONSE, detail: `Status ${request.status}.` };
  }
}

function receive(image, response) {
  URL.revokeObjectURL(image.result);
  Object.assign(
    image,
    { blob: undefined, result: undefined, code: "", words: "", detail: "", id: "" },
    response,
  );
  image.phase = image.blob ? "done" : "failed";
  if (image.blob) image.result = URL.createObjectURL(image.blob);
  showPhase(image);
  const done = `cut out, ${image.width} by ${image.height} pixels.`;
  say(`${image.name}: ${image.blob ? done : image.words}`);
}

$("again").addEventListener("click", () => redo(current));
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value;
  showCalls();
  images.filter(({ code }) => code === "unauthorized").forEach(redo);
});

// Showing

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function say(text) {
  $("said").textContent = text;
}

function select(image) {
  current = image;
  for (const { item } of images) item.firstChild.ariaCurrent = String(item === image?.item);
  $("split").value = 50;
  show();
}

function isBusy({ phase }) {
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

function showItem(image) {
  const { item, phase, original, result } = image;
  item.className = phase;
  const shown = result ?? original;
  if (image.shown !== shown) item.querySelector("img").src = image.shown = shown;
  item.querySelector(".state").textContent = phaseText(image);
  item.querySelector("progress").hidden = !isBusy(image);
  showProgress(item.querySelector("progress"), image);
}

function showPhase(image) {
  showItem(image);
  if (image === current) show();
  else showMany();
}

function showMany() {
  const done = images.filter(({ phase }) => phase === "done").length;
  $("strip").hidden = images.length < 2;
  $("count").textContent = `${done} of ${images.length} done`;
  $("zip").hidden = done < 2;
  $("zip").disabled = images.some(isBusy);
}

// Returns the upright size of an image, or null if the browser cannot decode it (TIFF).
async function measure(source) {
  const probe = new Image();
  probe.src = source;
  try {
    await probe.decode();
    return { width: probe.naturalWidth, height: probe.naturalHeight };
  } catch {
    return null;
  }
}

async function show() {
  showMany();
  showCalls();
  const image = current;
  for (const id of ["stage", "actions"]) $(id).hidden = !image;
  hide($("drop"), image);
  if (image && image.size === undefined) {
    $("stage").ariaBusy = "true";
    image.size = await (image.measured ??= measure(image.original));
  }
  if (image !== current) return;
  if (image) showStage(image);
  showFacts(image?.phase === "done" ? image : null);
}

// Hides a part. If it has the focus, the stage gets it: otherwise keyboards and screen readers
// would start at the top of the page again.
function hide(part, hidden) {
  if (hidden && part.contains(document.activeElement)) $("stage").focus();
  part.hidden = Boolean(hidden);
}

function showStage(image) {
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
  $("download").textContent = `Download ${image.blob.type === "image/webp" ? "WebP" : "PNG"}`;
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
    place($("result"), {
      left: cropped ? Math.max(0, box.left - margin) : 0,
      top: cropped ? Math.max(0, box.top - margin) : 0,
      width,
      height,
    });
    place($("box"), box);
  }
  showSplit(compared ? $("split").value : 100);
}

function showSplit(percent) {
  $("frame").style.setProperty("--split", `${percent}%`);
  $("split").setAttribute("aria-valuetext", `${percent} % original`);
}

$("split").addEventListener("input", () => showSplit($("split").value));

function showFacts(image) {
  $("facts").hidden = !image;
  if (!image) return;
  const { width, height, blob, box, confidence, took, id, times } = image;
  const total = times.reduce((sum, [, dur]) => sum + dur, 0);
  const warning = confidence < 0.5 ? ": check the result" : "";
  const figures = {
    Result: `${width} × ${height} px`,
    File: size(blob.size),
    "Subject's box": `${box.width} × ${box.height} at ${box.left}, ${box.top}`,
    ...(confidence !== "" && {
      Confidence: `${Math.round(confidence * 100)} %${warning}`,
    }),
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

// Downloading and copying

$("copy").addEventListener("click", () => {
  // Clipboards accept PNG only.
  const blob = current.blob.type === "image/png" ? current.blob : asPNG(current.blob);
  confirmCopy($("copy"), navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]));
});

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

$("zip").addEventListener("click", async () => {
  const done = images.filter(({ phase }) => phase === "done");
  if (done.reduce((sum, { blob }) => sum + blob.size, 0) > LARGEST_ZIP - 1e6) {
    say("The images are too large for one zip file. Download them one by one.");
    return;
  }
  const link = element("a", "");
  link.href = URL.createObjectURL(await zip(uniquelyNamed(done)));
  link.download = "cutouts.zip";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
});

function uniquelyNamed(done) {
  const taken = new Set();
  return done.map((image) => {
    let name = resultName(image);
    for (let number = 2; taken.has(name.toLowerCase()); number += 1) {
      name = resultName({ ...image, stem: `${image.stem}-${number}` });
    }
    taken.add(name.toLowerCase());
    return { name, blob: image.blob };
  });
}

// Returns a zip archive (PKWARE's APPNOTE, 4.3) without compression: images are compressed already.
async function zip(files) {
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const contents = [];
  const directory = [];
  let offset = 0;
  for (const { name, blob } of files) {
    const label = new TextEncoder().encode(name);
    const checksum = crc32(new Uint8Array(await blob.arrayBuffer()));
    // Version 2.0, UTF-8 names (bit 11), no compression; then name length, and no extra field.
    const entry = [
      [20, 2],
      [0x0800, 2],
      [0, 2],
      [time, 2],
      [date, 2],
      [checksum, 4],
      [blob.size, 4],
      [blob.size, 4],
      [label.length, 2],
      [0, 2],
    ];
    const local = littleEndian([0x04034b50, 4], ...entry);
    contents.push(local, label, blob);
    directory.push(
      littleEndian([0x02014b50, 4], [20, 2], ...entry, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]),
      label,
    );
    offset += local.length + label.length + blob.size;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = littleEndian(
    [0x06054b50, 4],
    [0, 2],
    [0, 2],
    [files.length, 2],
    [files.length, 2],
    [length, 4],
    [offset, 4],
    [0, 2],
  );
  return new Blob([...contents, ...directory, end], { type: "application/zip" });
}

function littleEndian(...numbers) {
  return Uint8Array.from(
    numbers.flatMap(([value, bytes]) =>
      Array.from({ length: bytes }, (_, index) => (value >>> (8 * index)) & 0xff),
    ),
  );
}

// CRC-32 of ISO 3309, reflected, byte by byte.
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit += 1) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}

// The same request as code. An API key is read from the environment and never shown.

function showCalls() {
  const image = current ?? { file: { name: "photo.jpg" }, stem: "photo" };
  $("curl").textContent = curlCall(image, chosen());
  $("python").textContent = pythonCall(image, chosen());
}

function curlCall(image, fields) {
  const words = [`curl ${quoted(`${BASE}/remove-background${image.file ? "/upload" : ""}`)}`];
  if (key) words.push('-H "X-Api-Key: $API_KEY"');
  if (image.file) {
    words.push(`-F ${quoted(`image=@${formName(image.file.name)}`)}`);
    words.push(
      ...Object.entries(fields).map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`),
    );
  } else {
    words.push("-H 'Content-Type: application/json'");
    words.push(`-d ${quoted(JSON.stringify({ image_url: image.url, ...typed(fields) }))}`);
  }
  words.push(`-o ${quoted(resultName({ stem: image.stem, fields }))}`);
  return words.join(" \\\n  ");
}

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

// In curl's -F, a comma or semicolon ends a file name unless the name is quoted.
function formName(name) {
  return /[,;"]/.test(name) ? `"${name.replace(/["\\]/g, "\\$&")}"` : name;
}

function pythonCall(image, fields) {
  const literal = (value) =>
    typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value);
  const source = image.file
    ? `image=Path(${literal(image.file.name)})`
    : `image_url=${literal(image.url)}`;
  const given = [
    source,
    ...Object.entries(typed(fields)).map(([name, value]) => `${name}=${literal(value)}`),
  ];
  const token = key ? ', token=os.environ["API_KEY"]' : "";
  return [
    ...(key ? ["import os"] : []),
    "from pathlib import Path",
    "",
    "import bentoml",
    "",
    `with bentoml.SyncHTTPClient(${literal(BASE)}${token}) as client:`,
    `    cutout = client.remove_background${image.file ? "_upload" : ""}(`,
    ...given.map((argument) => `        ${argument},`),
    "    )",
    `Path(${literal(resultName({ stem: image.stem, fields }))}).write_bytes(cutout)`,
  ].join("\n");
}

for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", () =>
    confirmCopy(button, navigator.clipboard.writeText($(button.dataset.copies).textContent)),
  );
}

showCalls();
