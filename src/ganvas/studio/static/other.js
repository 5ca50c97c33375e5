// Something of another image: the region's part, its coarse, middle or fine layers, or a part of the way to it.
import { byId, h, openDialog } from "./dom.js";
import { send } from "./net.js";
import { askSeeds, seedChoice } from "./seeds.js";
import { store } from "./store.js";

const KINDS = [["borrow", "the region's part"], ["coarse", "coarse layers"], ["middle", "middle layers"], ["fine", "fine layers"], ["toward", "half of the way to it"]];
const page = { first: 0, kind: "borrow", free: false };

export function openOther() {
  if (store.state.chosen === null && page.kind === "borrow") page.kind = "fine";
  show();
}

function show() {
  const take = (seed) => () => {
    send("edit.from", { seed, kind: page.kind, free: page.free });
    byId("other").close();
  };
  openDialog(byId("other"), "From another image",
    h("div", { className: "row" },
      h("div", { className: "group", role: "radiogroup", "aria-label": "What is taken" }, KINDS.map(([kind, label]) => h("button", {
        type: "button", role: "radio", "aria-checked": String(kind === page.kind), className: kind === page.kind ? "on" : "", disabled: kind === "borrow" && store.state.chosen === null, onclick: () => { page.kind = kind; show(); },
      }, label))),
      h("label", { className: "check" }, h("input", { type: "checkbox", checked: !page.free, disabled: store.state.chosen === null, onchange: (event) => { page.free = !event.target.checked; } }), "inside the region")),
    seedChoice(page, show, (seed) => ({ "data-other": seed, "aria-label": `From seed ${seed}`, onclick: take(seed) })));
  askSeeds({ first: page.first, truncation: store.state.base.truncation });
}
