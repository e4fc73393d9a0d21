// The same request as code. An API key is read from the environment and never shown.

import { resultName, typed } from "./options.js";

export const BASE = new URL(".", location.href).href.replace(/\/$/, "");

export function curlCall(image, fields, key) {
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

export function pythonCall(image, fields, key) {
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
