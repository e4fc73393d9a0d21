// One request to the service, and what its response means to the user.

import { typed } from "./options.js";

// What each error means to the user. The service's own sentence, with figures, is shown below it.
const ERRORS = {
  invalid_request: "The service rejected these options.",
  invalid_url: "The service cannot fetch this address. It must begin with http:// or https://.",
  url_not_allowed: "The service fetches images from public addresses only.",
  unauthorized: "This service requires a key.",
  invalid_signature: "This link is not valid.",
  expired_signature: "This link has expired.",
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
  format_unsupported: "The result is too large for this format. Choose PNG, or a smaller longest side.",
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

// Sends an image. `report(phase, sent)` is called as it proceeds; `sent` is 0 to 1. The request is
// kept in `image.request`, so that it can be aborted. Resolves to the result, or to the error.
export function send(image, fields, key, report) {
  const request = new XMLHttpRequest(); // fetch reports no upload progress
  const started = performance.now();
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
    request.upload.onprogress = (event) => report("uploading", event.loaded / event.total);
    request.upload.onload = () => report("working");
    report("uploading", 0);
    request.send(form);
  } else {
    request.setRequestHeader("Content-Type", "application/json");
    report("working");
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
    const parts = Number(header("X-Subject-Parts"));
    const found = { box, confidence, parts };
    return { blob: request.response, fields, width, height, times, took, id, ...found };
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
