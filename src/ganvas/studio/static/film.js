// A film through steps of the history.
import { byId, h, openDialog, toast } from "./dom.js";
import { thumbnailOf } from "./history.js";
import { send } from "./net.js";
import { on, store } from "./store.js";

const settings = { frames: 48, ease: true, loop: false, format: "webp" };
let picked = [];

function openFilm() {
  const edits = store.state.versions.filter((one) => one.edit);
  picked = picked.filter((number) => edits.some((one) => one.number === number));
  show(edits);
}

function show(edits) {
  const toggle = (number) => () => {
    picked = picked.includes(number) ? picked.filter((one) => one !== number) : [...picked, number];
    show(edits);
  };
  const check = (name, label) => h("label", { className: "check" }, h("input", { type: "checkbox", checked: settings[name], onchange: (event) => { settings[name] = event.target.checked; } }), label);
  openDialog(byId("film"), "Film from step to step",
    h("p", { className: "muted" }, "Choose two or more steps in the order in which the film goes through them."),
    h("div", { className: "seeds" }, edits.map((one) => h("button", { type: "button", className: "seed", "data-step": one.number, "aria-pressed": String(picked.includes(one.number)), onclick: toggle(one.number) },
      h("img", { alt: "", src: thumbnailOf(one.number) }), h("span", {}, picked.includes(one.number) ? `${picked.indexOf(one.number) + 1}. ${one.title}` : one.title)))),
    h("div", { className: "row" },
      h("label", { className: "row tight" }, "Frames", h("input", { type: "number", min: 2, max: 240, value: settings.frames, onchange: (event) => { settings.frames = Number(event.target.value); } })),
      h("select", { "aria-label": "Format", onchange: (event) => { settings.format = event.target.value; } }, ["webp", "gif", "mp4"].map((name) => h("option", { value: name, selected: name === settings.format }, name.toUpperCase()))),
      check("ease", "slow at both ends"), check("loop", "there and back")),
    h("div", { className: "row" }, h("button", { type: "button", className: "main", id: "make-film", disabled: picked.length < 2, onclick: start }, "Make the film")));
}

function start() {
  send("video", { versions: picked, ...settings });
  byId("film").close();
  toast("The film is saved when it is done.", "note");
}

on("film", openFilm);
