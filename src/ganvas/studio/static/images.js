// Choosing what the recipe begins with: seeds and their neighbors, a photo, a file; and earlier sessions.
import { byId, h, iconButton, openDialog } from "./dom.js";
import { send, upload } from "./net.js";
import { askSeeds, firstOf, seedChoice } from "./seeds.js";
import { store } from "./store.js";

const page = { first: 0, keep: false, truncation: 0.7 };

export function openImages() {
  page.first = firstOf(store.state.base.seed ?? 0);
  show();
}

function show() {
  const dialog = byId("images");
  openDialog(dialog, "Choose an image", seeds(), files(), ...sessions());
  askSeeds(page);
}

const open = (seed) => {
  send("open.seed", { seed, keep: page.keep, truncation: page.truncation });
  byId("images").close();
};

function seeds() {
  const typed = h("input", { type: "number", min: 0, value: store.state.base.seed ?? 0, id: "seed", "aria-label": "Seed", onkeydown: (event) => { if (event.key === "Enter") { event.preventDefault(); open(Number(typed.value)); } } });
  return h("div", {},
    h("div", { className: "row" }, h("label", { className: "row tight" }, "Seed ", typed),
      h("button", { type: "button", className: "plain", onclick: () => open(Number(typed.value)) }, "Open"),
      iconButton("dice", "Any seed", () => open(Math.floor(Math.random() * 100000))), h("span", { className: "grow" }),
      h("label", { className: "row tight" }, "Truncation", h("input", { type: "number", min: 0, max: 1.5, step: 0.1, value: page.truncation, onchange: (event) => { page.truncation = Number(event.target.value); show(); } })),
      store.state.operations.length ? h("label", { className: "check" }, h("input", { type: "checkbox", id: "keep-edits", checked: page.keep, onchange: (event) => { page.keep = event.target.checked; show(); } }), "with my edits") : null),
    seedChoice(page, show, (seed) => ({ "data-seed": seed, "aria-label": `Seed ${seed}`, onclick: () => open(seed) })));
}

function files() {
  const pick = (kind, accept) => () => {
    const input = h("input", { type: "file", accept, onchange: () => input.files[0] && take(kind, input.files[0]) });
    input.click();
  };
  return h("div", { className: "drop" }, h("p", {}, "Drop a photo, a recipe or a latent here, or on the image at any time."),
    h("div", { className: "row", role: "group" },
      h("button", { type: "button", className: "plain", onclick: pick("photo", "image/*") }, "Photo"),
      h("button", { type: "button", className: "plain", onclick: pick("recipe", ".zip,.recipe") }, "Recipe"),
      h("button", { type: "button", className: "plain", onclick: pick("latent", ".safetensors,.npy,.npz,.pt") }, "Latent"),
      h("button", { type: "button", className: "plain", onclick: pick("model", ".safetensors,.pkl,.pt,.pth") }, "Generator"),
      h("span", { className: "grow" }),
      h("label", { className: "check", title: "Tune the generator's weights for the photo: slower, and edits hold better" }, h("input", { type: "checkbox", id: "tune", checked: store.tune ?? false, onchange: (event) => { store.tune = event.target.checked; } }), "tune for the photo")));
}

function take(kind, file) {
  byId("images").close();
  upload(kind, file, kind === "photo" ? { tune: store.tune ?? false } : {});
}

export function takeDropped(file) {
  const name = file.name.toLowerCase();
  const kind = /\.(zip|recipe)$/.test(name) ? "recipe" : /\.(npy|npz|pt|safetensors)$/.test(name) ? "latent" : /\.(pkl|pth|ckpt)$/.test(name) ? "model" : "photo";
  take(kind, file);
}

function sessions() {
  if (!store.recoverable.length) return [];
  const when = (saved) => new Date(1000 * saved).toLocaleString();
  return [h("div", {}, h("h3", {}, "Earlier work"), h("div", { className: "choices", id: "earlier" }, store.recoverable.slice(0, 6).map((one) => h("button", {
    type: "button", "data-session": one.session, onclick: () => { sessionStorage.setItem("session", one.session); location.reload(); },
  }, `${one.versions} steps on ${one.model}`, h("small", {}, when(one.saved))))))];
}
