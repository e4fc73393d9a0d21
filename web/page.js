// The web page: which images there are, and what happens to them. In the order of an image's path:
// options, adding images, sending, showing the result, downloading and copying, code.

import { copyImage, copyText } from "./clipboard.js";
import { curlCall, pythonCall } from "./code.js";
import { $, element, hide, say } from "./dom.js";
import { showLink } from "./link.js";
import { chosen, options, resultName } from "./options.js";
import { send } from "./send.js";
import { isBusy, measure, showFacts, showItem, showStage } from "./show.js";
import { LARGEST_ZIP, zip } from "./zip.js";

const AT_ONCE = 3; // one in progress and two on their way, so that the service is never idle
const MOST_TRIES = 20;
const SETTLED = 250; // milliseconds without a change before the options are applied

const images = [];
let current = null;
let active = 0;
let key = "";

// Options

let settling = 0;

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
    const response = await send(image, chosen(), key, (phase, sent) => {
      Object.assign(image, { phase, sent });
      showPhase(image);
    });
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

function select(image) {
  current = image;
  for (const { item } of images) item.firstChild.ariaCurrent = String(item === image?.item);
  $("split").value = 50;
  show();
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

// Downloading and copying

$("copy").addEventListener("click", () => copyImage(current.blob, $("copy")));

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

// The same request as code

function showCalls() {
  const image = current ?? { file: { name: "photo.jpg" }, stem: "photo" };
  $("curl").textContent = curlCall(image, chosen(), key);
  $("python").textContent = pythonCall(image, chosen(), key);
  showLink(current);
}

$("link-key").addEventListener("input", () => showLink(current));

for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", () => copyText($(button.dataset.copies).textContent, button));
}

showCalls();
