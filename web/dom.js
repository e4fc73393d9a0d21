// Small helpers for the document.

export const $ = (id) => document.getElementById(id);

export function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

// Announces a text to screen readers.
export function say(text) {
  $("said").textContent = text;
}

// Hides a part. If it has the focus, the stage gets it: otherwise keyboards and screen readers
// would start at the top of the page again.
export function hide(part, hidden) {
  if (hidden && part.contains(document.activeElement)) $("stage").focus();
  part.hidden = Boolean(hidden);
}
