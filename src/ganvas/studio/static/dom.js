// Elements made of names, attributes and children; text is always text, never markup.
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && !key.startsWith("aria") && key !== "list" && key !== "role") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

// A button with an icon, a label for screen readers and a tooltip that names its key.
export function iconButton(name, label, action, { key = "", className = "square", ...more } = {}) {
  const title = key ? `${label} (${key})` : label;
  return h("button", { type: "button", className, title, "aria-label": label, onclick: action, ...more }, icon(name));
}

// The addresses of JPEG images in memory, by key; one that is replaced or dropped frees its memory.
export class Addresses extends Map {
  show(key, bytes) {
    this.delete(key);
    this.set(key, URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" })));
    return this.get(key);
  }

  delete(key) {
    URL.revokeObjectURL(this.get(key));
    return super.delete(key);
  }

  clear() {
    for (const key of [...this.keys()]) this.delete(key);
  }
}

export const clamp = (value) => Math.min(1, Math.max(0, value));

export const byId = (id) => document.getElementById(id);

export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

const toasts = byId("toasts");

// Everything outside a modal dialog is covered and inert: what is said while one is open is said inside of it.
const placeToasts = () => (document.querySelector("dialog:modal") ?? byId("stage")).append(toasts);

export function toast(text, kind = "error") {
  const close = () => box.remove();
  const box = h("div", { className: `toast ${kind}` }, h("div", { className: "grow" }, text),
    iconButton("close", "Dismiss", close, { className: "square small" }));
  while (toasts.childElementCount > 2) toasts.firstElementChild.remove();
  toasts.append(box);
  placeToasts();
  setTimeout(close, kind === "error" ? 15000 : 5000);
}

export function openDialog(dialog, title, ...body) {
  const close = iconButton("close", "Close", () => dialog.close());
  fill(dialog, h("header", {}, h("h2", {}, title), close), h("div", { className: "body" }, ...body));
  dialog.setAttribute("aria-label", title);
  if (!dialog.open) dialog.showModal();
  placeToasts();
  dialog.addEventListener("close", placeToasts);
}
