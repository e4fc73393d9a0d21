// The signed link of an image at a URL (docs/links.md). The key stays in this page.

import { BASE } from "./code.js";
import { $ } from "./dom.js";
import { chosen } from "./options.js";

const PATH = "/remove-background";
const HMAC = { name: "HMAC", hash: "SHA-256" };
let found;

// Shows the link if the service has links, the browser can sign them, and there is a key.
export async function showLink(image) {
  const possible = Boolean(image?.url && crypto.subtle && (await (found ??= hasLinks())));
  $("link-call").hidden = !possible;
  const key = $("link-key").value;
  const fits = possible && key.length >= $("link-key").minLength;
  $("link").textContent = fits ? await sign({ image_url: image.url, ...chosen() }, key) : "";
}

async function hasLinks() {
  const response = await fetch("docs.json").catch(() => null);
  return Boolean(response?.ok && (await response.json()).paths[PATH].get);
}

async function sign(fields, key) {
  const pairs = Object.keys(fields).map((name) => `${name}=${encode(fields[name])}`);
  const request = `${PATH}?${pairs.sort().join("&")}`;
  const bytes = (text) => new TextEncoder().encode(text);
  const imported = await crypto.subtle.importKey("raw", bytes(key), HMAC, false, ["sign"]);
  const digest = await crypto.subtle.sign("HMAC", imported, bytes(request));
  const base64 = btoa(String.fromCharCode(...new Uint8Array(digest)));
  const signature = base64.replaceAll("+", "-").replaceAll("/", "_").replace("=", "");
  return `${BASE}${request}&signature=${signature}`;
}

function encode(text) {
  const hex = (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/[!'()*]/g, hex);
}
