// The same edits on other images, before and after each: photos of this session, and seeds.
import { Addresses, byId, h, openDialog } from "./dom.js";
import { send, upload } from "./net.js";
import { on, store } from "./store.js";

const COUNT = 9;
const urls = new Addresses();
const page = { first: 0 };

export function openTrials() {
  urls.clear();
  store.trials = {};
  ask();
}

function ask() {
  send("trials", { first: page.first, count: COUNT });
  show();
}

const turn = (by) => () => { page.first = Math.max(0, page.first + by); ask(); };

function addPhoto() {
  const input = h("input", { type: "file", accept: "image/*", onchange: () => input.files[0] && upload("photo", input.files[0], { try: true }).then((taken) => taken && said("The photo is being inverted; it comes first when that is done.")) });
  input.click();
}

const said = (text) => { byId("trials-said").textContent = text; };

function show() {
  const strong = store.state.operations.some((one) => one.method && one.method !== "straight");
  const seeds = Array.from({ length: COUNT }, (_, i) => [`seed ${page.first + i}`, `seed ${page.first + i}`]);
  openDialog(byId("trials"), "The same edits on other images",
    h("div", { className: "row" }, h("span", { className: "muted grow", id: "trials-said" }, `Before and after. Click one to go on with it.${strong ? " Corrected edits are shown straight here." : ""}`),
      h("button", { type: "button", className: "plain", id: "try-photo", onclick: addPhoto }, "Add a photo")),
    h("div", { className: "trials" }, [...Object.entries(store.trials), ...seeds].map(card)),
    h("div", { className: "row" }, h("button", { type: "button", className: "plain", disabled: page.first === 0, onclick: turn(-COUNT) }, "Earlier"),
      h("button", { type: "button", className: "plain", onclick: turn(COUNT) }, "Later")));
}

function card([name, caption]) {
  const take = () => { send("trials.take", { name }); byId("trials").close(); };
  return h("button", { type: "button", className: "trial", "data-trial": name, "aria-label": `Go on with ${caption}`, onclick: take },
    h("img", { alt: "", src: urls.get(name) ?? "data:,", "data-trial-image": name }), h("span", { className: "clip" }, caption));
}

on("frame:trial", (header, bitmap, bytes) => {
  const url = urls.show(header.name, bytes);
  const image = document.querySelector(`[data-trial-image="${CSS.escape(header.name)}"]`);
  if (image) image.src = url;
});
on("trials", ({ others }) => {
  const changed = JSON.stringify(others) !== JSON.stringify(store.trials);
  store.trials = others;
  if (changed && byId("trials").open) show();
});
on("tried", () => byId("trials").open && ask());
