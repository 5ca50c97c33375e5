// Directions under a name: kept by the studio for any image of the same generator, and as files.
import { byId, h, iconButton, openDialog } from "./dom.js";
import { send, upload } from "./net.js";
import { on, store } from "./store.js";

export const openSaved = () => show();

function show() {
  const { saved, chosen } = store.state;
  const which = h("select", { "aria-label": "Which directions", id: "saved-which" }, h("option", { value: "" }, "all of them"),
    (store.row?.directions ?? []).map(({ index }) => h("option", { value: index }, `number ${index + 1}`)));
  const name = h("input", { type: "text", maxLength: 60, className: "grow", placeholder: "a name, such as smile", "aria-label": "Name", id: "saved-name", onkeydown: (event) => { if (event.key === "Enter") { event.preventDefault(); keep(); } } });
  const keep = () => name.value.trim() ? send("saved.save", { name: name.value, index: which.value === "" ? null : Number(which.value) }) : name.focus();
  openDialog(byId("saved"), "Directions",
    h("div", {}, h("h3", {}, "Save what is shown"),
      store.row ? h("div", { className: "row" }, name, which, h("button", { type: "button", className: "main", id: "saved-save", onclick: keep }, "Save"))
        : h("p", { className: "muted" }, "Choose a region first; its directions can then be saved.")),
    h("div", {}, h("h3", {}, "Load"), chosen === null ? h("p", { className: "muted" }, "Without a chosen region, they bring theirs.") : null,
      saved.length ? h("div", { className: "list", id: "saved-list" }, saved.map(item)) : h("p", { className: "muted" }, "Nothing is saved yet.")),
    h("div", { className: "row" }, h("span", { className: "grow muted" }, "Files of Ganvas and of other tools: .safetensors, .npy, .npz, .pt."),
      h("button", { type: "button", className: "plain", id: "saved-open", onclick: open }, "Open a file")));
}

function item(name) {
  const load = () => { send("saved.load", { name }); byId("saved").close(); };
  return h("div", { className: "item", "data-saved": name }, h("button", { type: "button", className: "name clip", title: "Show these directions", onclick: load }, name),
    h("button", { type: "button", className: "small", title: "Save as a file", onclick: () => send("saved.fetch", { name }) }, "File"),
    iconButton("trash", `Delete ${name}`, () => send("saved.delete", { name }), { className: "square small" }));
}

function open() {
  const input = h("input", { type: "file", accept: ".safetensors,.npy,.npz,.pt,.pkl,.txt", onchange: () => {
    if (!input.files[0]) return;
    byId("saved").close();
    upload("directions", input.files[0]);
  } });
  input.click();
}

let listed = "";
on("state", () => {
  const now = JSON.stringify(store.state.saved);
  if (byId("saved").open && now !== listed) show();
  listed = now;
});
