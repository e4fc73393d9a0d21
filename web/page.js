// The page, in the order of a picture's way: options, pictures, sending, showing, taking away, and the same call as code.

// What an error means to whoever looks at the page. The service's own sentence, which has the figures, stands beneath.
const ERRORS = {
  invalid_request: "The service did not understand these options.",
  invalid_url: "This is not an address the service can fetch. It begins with http:// or https://.",
  url_not_allowed: "The service fetches from public addresses only, and this is not one.",
  unauthorized: "This service asks for a key.",
  not_found: "The service is not at this address any more.",
  method_not_allowed: "Something between this page and the service has changed the request.",
  request_too_large: "This file is too large for the service.",
  unsupported_media_type: "Something between this page and the service has changed the request's type.",
  source_http_error: "The picture's server would not give it.",
  too_many_redirects: "The address leads from one place to the next, too many times.",
  source_too_large: "The picture at this address is too large for the service.",
  empty_source: "This file is empty.",
  unsupported_encoding: "The picture's server sent it packed in a way nobody asked for.",
  unsupported_image_type: "This is not a kind of picture the service can read. Save it as JPEG or PNG and try again.",
  image_corrupt: "This picture is damaged. Does it open elsewhere?",
  image_too_large: "This picture has too many pixels. Make it smaller and try again.",
  format_unsupported: "The result is too large for WebP. Choose PNG.",
  no_subject_found: "Nothing stands out in this picture.",
  busy: "Many are waiting just now. Try again in a moment.",
  internal_error: "The service failed, and that is its fault, not yours.",
  source_unreachable: "The picture's server could not be reached.",
  shutting_down: "The service is being restarted. Try again in a moment.",
  out_of_memory: "There was no room for this picture just now. Try again, or make it smaller.",
  source_timeout: "The picture's server took too long.",
  deadline_exceeded: "This took too long. Try again, or make the picture smaller.",
};
const NO_ANSWER = "No answer came. Is the service running, and is the picture's file still there?";
const ODD_ANSWER = "Something answered, but not the service.";

const AT_ONCE = 3; // the service works on one at a time: two more may be on their way
const MOST_TRIES = 20;
const SETTLED = 250; // milliseconds without a change, after which the options are meant
const LARGEST_ZIP = 0xffffffff;

const $ = (id) => document.getElementById(id);
const BASE = new URL(".", location.href).href.replace(/\/$/, "");
const pictures = [];
let current = null;
let inside = 0;
let key = "";

// Options. A new one is a field of the form: what differs from the page as it came is sent, under the field's name.

const options = $("options");
options.reset(); // a browser may bring back what was chosen before the page was loaded again
const DEFAULTS = Object.fromEntries(new FormData(options));
let settling = 0;

function chosen() {
  return Object.fromEntries([...new FormData(options)].filter(([name, value]) => value !== DEFAULTS[name]));
}

// As the service reads a form's fields: what is JSON is meant so (true, 10), and all else is text.
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
  $("background").disabled = $("colour").disabled = options.elements.output.value === "mask";
  clearTimeout(settling);
  if (!options.checkValidity()) return;
  showCalls();
  settling = setTimeout(() => pictures.forEach(redo), SETTLED);
}

options.addEventListener("input", (event) => {
  if (event.target === $("colour")) $("background").value = event.target.value;
  if (/^#[\da-f]{6}/i.test($("background").value)) $("colour").value = $("background").value.slice(0, 7).toLowerCase();
  optionsChanged();
});
options.addEventListener("reset", () => setTimeout(optionsChanged));
options.addEventListener("submit", (event) => event.preventDefault());

// Pictures, by any way in. One is waiting, uploading, working, pausing, done or failed.

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
  for (const picture of added) {
    const button = Object.assign(element("button", ""), { type: "button" });
    const image = Object.assign(new Image(), { alt: "", draggable: false });
    image.addEventListener("error", () => (image.hidden = true));
    image.addEventListener("load", () => (image.hidden = false));
    const thumb = element("span", "thumb");
    thumb.append(image);
    const bar = element("progress", "");
    bar.ariaHidden = "true"; // the words beside it say the same
    button.append(thumb, element("span", "file", picture.name), element("span", "state"), bar);
    button.addEventListener("click", () => select(picture));
    picture.item.append(button);
    $("list").append(picture.item);
    pictures.push(picture);
    showItem(picture);
  }
  if (added.length === 0) return;
  say(`Sending ${added.length === 1 ? added[0].name : `${added.length} pictures`}.`);
  select(added[0]);
  sendNext();
}

function lastPart(url) {
  return (URL.canParse(url) && new URL(url).pathname.split("/").pop()) || url;
}

// A file's name without its ending, fit for any system's files.
function stem(name) {
  return name.replace(/\.[^.]*$/, "").replace(/[\\/:*?"<>|\p{Cc}]/gu, "_") || "picture";
}

function resultName({ stem, fields = chosen() }) {
  return `${stem}-${fields.output ?? DEFAULTS.output}.${fields.format ?? DEFAULTS.format}`;
}

function redo(picture) {
  stop(picture);
  picture.phase = "waiting";
  showPhase(picture);
  sendNext();
}

function stop(picture) {
  picture.turn = null;
  picture.request?.abort();
}

function forget(picture) {
  stop(picture);
  URL.revokeObjectURL(picture.original);
  URL.revokeObjectURL(picture.result);
}

function addFiles(files) {
  add([...files].map((file) => ({ file })));
}

for (const button of document.querySelectorAll("[data-pick]")) button.addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  addFiles($("file").files);
  $("file").value = "";
});
$("sample").addEventListener("click", async () => {
  const answer = await fetch("sample.jpg");
  add([{ file: new File([await answer.blob()], "sample.jpg", { type: "image/jpeg" }) }]);
});
$("url-form").addEventListener("submit", (event) => {
  event.preventDefault();
  add([{ url: $("url").value.trim() }]);
});
$("clear").addEventListener("click", () => {
  pictures.splice(0).forEach(forget);
  $("list").replaceChildren();
  select(null);
  document.querySelector("[data-pick]").focus();
});

function take(data, event) {
  const address = (data.getData("text/uri-list") || data.getData("text/plain")).split(/\r?\n/).find((line) => /^https?:\/\//i.test(line));
  if (data.files.length === 0 && !address) return;
  event.preventDefault();
  if (data.files.length) addFiles(data.files);
  else add([{ url: address.trim() }]);
}

document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length || !event.target.closest("input")) take(event.clipboardData, event);
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

// Sending: a few at a time, the one that is looked at first; who is told `busy` waits as long as the service says.

function sendNext() {
  while (inside < AT_ONCE) {
    const next = current?.phase === "waiting" ? current : pictures.find(({ phase }) => phase === "waiting");
    if (!next) return;
    inside += 1;
    work(next).finally(() => {
      inside -= 1;
      sendNext();
    });
  }
}

async function work(picture) {
  const turn = (picture.turn = {}); // another one, once the picture is sent anew or is gone
  picture.phase = "uploading";
  for (let tries = 1; ; tries += 1) {
    const answer = await send(picture, chosen());
    if (picture.turn !== turn) return;
    if (answer.code !== "busy" || tries === MOST_TRIES) {
      receive(picture, answer);
      return;
    }
    picture.phase = "pausing";
    showPhase(picture);
    await new Promise((resolve) => setTimeout(resolve, answer.retryAfter * 1000));
    if (picture.turn !== turn) return;
  }
}

function send(picture, fields) {
  const request = new XMLHttpRequest(); // fetch does not tell how much of a file has been sent
  const started = performance.now();
  const at = (phase, sent) => {
    Object.assign(picture, { phase, sent });
    showPhase(picture);
  };
  picture.request = request;
  request.open("POST", picture.file ? "remove-background/upload" : "remove-background");
  request.responseType = "blob";
  if (key) request.setRequestHeader("X-Api-Key", key);
  const answer = new Promise((resolve) => {
    request.onload = async () => resolve(await read(request, fields, performance.now() - started));
    request.onerror = () => resolve({ words: NO_ANSWER });
    request.onabort = () => resolve({});
  });
  if (picture.file) {
    const form = new FormData();
    form.append("image", picture.file);
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    request.upload.onprogress = (event) => at("uploading", event.loaded / event.total);
    request.upload.onload = () => at("working");
    at("uploading", 0);
    request.send(form);
  } else {
    request.setRequestHeader("Content-Type", "application/json");
    at("working");
    request.send(JSON.stringify({ image_url: picture.url, ...typed(fields) }));
  }
  return answer;
}

async function read(request, fields, took) {
  const header = (name) => request.getResponseHeader(name) ?? "";
  const id = header("X-BentoML-Request-ID");
  if (request.status === 200 && header("X-Width")) {
    const [width, height] = ["X-Width", "X-Height"].map((name) => Number(header(name)));
    const [left, top, boxWidth, boxHeight] = ["Left", "Top", "Width", "Height"].map((side) => Number(header(`X-Foreground-${side}`)));
    const box = { left, top, width: boxWidth, height: boxHeight };
    const times = [...header("Server-Timing").matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, step, dur]) => [step, Number(dur)]);
    const confidence = header("X-Subject-Confidence") && Number(header("X-Subject-Confidence"));
    return { blob: request.response, fields, width, height, box, times, took, id, confidence };
  }
  try {
    const { error, code } = JSON.parse(await request.response.text());
    return { code, words: ERRORS[code] ?? error, detail: error, id, retryAfter: Number(header("Retry-After")) || 1 };
  } catch {
    return { words: ODD_ANSWER, detail: `Status ${request.status}.` };
  }
}

function receive(picture, answer) {
  URL.revokeObjectURL(picture.result);
  Object.assign(picture, { blob: undefined, result: undefined, code: "", words: "", detail: "", id: "" }, answer);
  picture.phase = picture.blob ? "done" : "failed";
  if (picture.blob) picture.result = URL.createObjectURL(picture.blob);
  showPhase(picture);
  say(`${picture.name}: ${picture.blob ? `cut out, ${picture.width} by ${picture.height} pixels.` : picture.words}`);
}

$("again").addEventListener("click", () => redo(current));
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value;
  showCalls();
  pictures.filter(({ code }) => code === "unauthorized").forEach(redo);
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

function select(picture) {
  current = picture;
  for (const { item } of pictures) item.firstChild.ariaCurrent = String(item === picture?.item);
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
    pausing: "The service is busy; waiting",
    done: "Done",
    failed: words,
  }[phase];
}

function showProgress(bar, { phase, sent }) {
  if (phase === "waiting") bar.value = 0;
  else if (phase === "uploading") bar.value = sent;
  else bar.removeAttribute("value");
}

function showItem(picture) {
  const { item, phase, original, result } = picture;
  const image = item.querySelector("img");
  item.className = phase;
  const shown = result ?? original;
  if (picture.shown !== shown) image.src = picture.shown = shown;
  item.querySelector(".state").textContent = phaseText(picture);
  item.querySelector("progress").hidden = !isBusy(picture);
  showProgress(item.querySelector("progress"), picture);
}

function showPhase(picture) {
  showItem(picture);
  if (picture === current) show();
  else showMany();
}

function showMany() {
  const done = pictures.filter(({ phase }) => phase === "done").length;
  $("strip").hidden = pictures.length < 2;
  $("count").textContent = `${done} of ${pictures.length} done`;
  $("zip").hidden = done < 2;
  $("zip").disabled = pictures.some(isBusy);
}

// The picture's size as the browser sees it, upright; null where it cannot (TIFF). Of a URL, the service alone has the picture.
async function measure(source) {
  const image = new Image();
  image.src = source;
  try {
    await image.decode();
    return { width: image.naturalWidth, height: image.naturalHeight };
  } catch {
    return null;
  }
}

async function show() {
  showMany();
  showCalls();
  const picture = current;
  for (const id of ["stage", "actions"]) $(id).hidden = !picture;
  hide($("drop"), picture);
  if (picture && picture.size === undefined) {
    $("stage").ariaBusy = "true";
    picture.size = await (picture.measured ??= measure(picture.original));
  }
  if (picture !== current) return;
  if (picture) showStage(picture);
  showFacts(picture?.phase === "done" ? picture : null);
}

// What is hidden with the focus inside hands it to the stage: else a keyboard, and a screen reader, would begin at the top again.
function hide(part, hidden) {
  if (hidden && part.contains(document.activeElement)) $("stage").focus();
  part.hidden = Boolean(hidden);
}

function showStage(picture) {
  const { phase, size, result, code, words, detail, id } = picture;
  const failed = phase === "failed";
  const compared = Boolean(size && result);
  const busy = isBusy(picture);
  $("stage").classList.toggle("waiting", busy && !result);
  $("stage").ariaBusy = String(busy);
  $("frame").hidden = failed || !(size || result);
  $("source").hidden = !size;
  for (const part of ["divider", "split", "box"]) $(part).hidden = !compared;
  if (!$("frame").hidden) showFrame(picture, compared);

  $("progress").hidden = !busy;
  $("phase").textContent = phaseText(picture);
  showProgress($("bar"), picture);

  hide($("failure"), !failed);
  $("failure-words").textContent = words;
  $("failure-detail").textContent = detail;
  $("failure-code").textContent = [code, id && `request ${id}`].filter(Boolean).join(", ");
  $("key-form").hidden = code !== "unauthorized";
  $("again").hidden = code === "unauthorized";

  $("note").hidden = !result || compared;
  $("note").textContent = picture.url
    ? "The service fetched the picture. This page asks nobody else, so it has no original to show beside."
    : "This browser cannot show the original.";

  for (const part of ["download", "copy"]) $(part).hidden = !result;
  $("copy").hidden ||= !globalThis.ClipboardItem || !navigator.clipboard;
  if (!result) return;
  $("download").href = result;
  $("download").download = resultName(picture);
  $("download").textContent = `Download ${picture.blob.type === "image/webp" ? "WebP" : "PNG"}`;
}

function showFrame(picture, compared) {
  const { name, size, result, width, height, fields, box } = picture;
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
  if (size) $("original").src = picture.original;
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

function showFacts(picture) {
  $("facts").hidden = !picture;
  if (!picture) return;
  const { width, height, blob, box, confidence, took, id, times } = picture;
  const total = times.reduce((sum, [, dur]) => sum + dur, 0);
  const figures = {
    Result: `${width} × ${height} px`,
    File: size(blob.size),
    "Subject's box": `${box.width} × ${box.height} at ${box.left}, ${box.top}`,
    ...(confidence !== "" && { Confidence: `${Math.round(confidence * 100)} %${confidence < 0.5 ? ": look before you use it" : ""}` }),
    "Seen from here": milliseconds(took),
    Request: id,
  };
  $("figures").replaceChildren(
    ...Object.entries(figures).map(([name, figure]) => {
      const pair = element("div", "");
      pair.append(element("dt", "", name), element("dd", "", figure));
      return pair;
    }),
  );
  $("times").replaceChildren(...times.map(([step, dur]) => element("li", "", `${step} ${milliseconds(dur)}`)));
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

// Taking away

$("copy").addEventListener("click", () => {
  const blob = current.blob.type === "image/png" ? current.blob : asPNG(current.blob); // the one type that a clipboard takes
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
    say("The browser did not allow it.");
  }
  setTimeout(() => (button.textContent = label), 1500);
}

$("zip").addEventListener("click", async () => {
  const done = pictures.filter(({ phase }) => phase === "done");
  if (done.reduce((sum, { blob }) => sum + blob.size, 0) > LARGEST_ZIP - 1e6) {
    say("Too much for one zip; download the pictures one by one.");
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
  return done.map((picture) => {
    let name = resultName(picture);
    for (let number = 2; taken.has(name.toLowerCase()); number += 1) {
      name = resultName({ ...picture, stem: `${picture.stem}-${number}` });
    }
    taken.add(name.toLowerCase());
    return { name, blob: picture.blob };
  });
}

// A zip of stored files (PKWARE's APPNOTE, 4.3): pictures are compressed already.
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
    // Version 2.0, names in UTF-8 (bit 11), stored; then the name's length, and no extra field.
    const entry = [[20, 2], [0x0800, 2], [0, 2], [time, 2], [date, 2], [checksum, 4], [blob.size, 4], [blob.size, 4], [label.length, 2], [0, 2]];
    const local = littleEndian([0x04034b50, 4], ...entry);
    contents.push(local, label, blob);
    directory.push(littleEndian([0x02014b50, 4], [20, 2], ...entry, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), label);
    offset += local.length + label.length + blob.size;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = littleEndian([0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [length, 4], [offset, 4], [0, 2]);
  return new Blob([...contents, ...directory, end], { type: "application/zip" });
}

function littleEndian(...numbers) {
  return Uint8Array.from(numbers.flatMap(([value, bytes]) => Array.from({ length: bytes }, (_, index) => (value >>> (8 * index)) & 0xff)));
}

// CRC-32 of ISO 3309, reflected, a byte at a time.
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit += 1) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}

// The same call, as code. A key is named by the environment, never shown.

function showCalls() {
  const picture = current ?? { file: { name: "photo.jpg" }, stem: "photo" };
  $("curl").textContent = curlCall(picture, chosen());
  $("python").textContent = pythonCall(picture, chosen());
}

function curlCall(picture, fields) {
  const words = [`curl ${quoted(`${BASE}/remove-background${picture.file ? "/upload" : ""}`)}`];
  if (key) words.push('-H "X-Api-Key: $API_KEY"');
  if (picture.file) {
    words.push(`-F ${quoted(`image=@${formName(picture.file.name)}`)}`);
    words.push(...Object.entries(fields).map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`));
  } else {
    words.push("-H 'Content-Type: application/json'");
    words.push(`-d ${quoted(JSON.stringify({ image_url: picture.url, ...typed(fields) }))}`);
  }
  words.push(`-o ${quoted(resultName({ stem: picture.stem, fields }))}`);
  return words.join(" \\\n  ");
}

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

// In -F, a comma and a semicolon end a file's name, unless it stands in quotes.
function formName(name) {
  return /[,;"]/.test(name) ? `"${name.replace(/["\\]/g, "\\$&")}"` : name;
}

function pythonCall(picture, fields) {
  const literal = (value) => (typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value));
  const source = picture.file ? `image=Path(${literal(picture.file.name)})` : `image_url=${literal(picture.url)}`;
  const given = [source, ...Object.entries(typed(fields)).map(([name, value]) => `${name}=${literal(value)}`)];
  const token = key ? ', token=os.environ["API_KEY"]' : "";
  return [
    ...(key ? ["import os"] : []),
    "from pathlib import Path",
    "",
    "import bentoml",
    "",
    `with bentoml.SyncHTTPClient(${literal(BASE)}${token}) as client:`,
    `    picture = client.remove_background${picture.file ? "_upload" : ""}(`,
    ...given.map((argument) => `        ${argument},`),
    "    )",
    `Path(${literal(resultName({ stem: picture.stem, fields }))}).write_bytes(picture)`,
  ].join("\n");
}

for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", () => confirmCopy(button, navigator.clipboard.writeText($(button.dataset.copies).textContent)));
}

showCalls();
