// The options form. To add an option, add a field to the form. Fields whose values differ from the
// initial ones are sent under their names.

import { $ } from "./dom.js";

export const options = $("options");
options.reset(); // a browser may restore earlier choices when the page is reloaded
export const DEFAULTS = Object.fromEntries(new FormData(options));

export function chosen() {
  return Object.fromEntries(
    [...new FormData(options)].filter(([name, value]) => value !== DEFAULTS[name]),
  );
}

// Parses values like the service: valid JSON (true, 10) as JSON, everything else as text.
export function typed(fields) {
  const parse = (text) => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  return Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, parse(text)]));
}

export function resultName({ stem, fields = chosen() }) {
  return `${stem}-${fields.output ?? DEFAULTS.output}.${fields.format ?? DEFAULTS.format}`;
}
