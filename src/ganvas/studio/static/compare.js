// The methods of the library beside each other, for the chosen region.
import { Addresses, byId, h, openDialog } from "./dom.js";
import { send } from "./net.js";
import { on, store } from "./store.js";

const urls = new Addresses();

byId("compare").addEventListener("close", () => store.jobs.jobs.some((one) => one.label.startsWith("Comparing")) && send("stop"));

export function compareMethods() {
  if (store.state.chosen === null) return;
  send("compare");
}

on("comparing", ({ methods, area }) => {
  store.compared = {};
  urls.clear();
  const cards = methods.map((name) => h("div", { className: "method", "data-method": name }, h("h3", {}, name),
    h("div", { className: "views" }, view(name, "confined", "inside the region"), view(name, "free", "let go")),
    h("p", { className: "muted number said" }, "waiting"),
    h("button", { type: "button", className: "plain small", disabled: true, onclick: () => { send("compare.use", { method: name }); byId("compare").close(); } }, "Use its directions")));
  openDialog(byId("compare"), `Methods, for ${area}`, h("p", { className: "muted" }, "The strongest direction of each, at the same strength: confined to the region, and let go."), h("div", { className: "compare" }, cards));
});

const view = (name, kind, label) => h("figure", {}, h("img", { alt: `${name}, ${label}`, "data-view": `${name} ${kind}` }), h("figcaption", {}, label));

on("compared", ({ method, error, inside, outside }) => {
  store.compared[method] = { error, inside, outside };
  const card = document.querySelector(`[data-method="${method}"]`);
  if (!card) return;
  card.querySelector(".said").textContent = error ?? `change inside ${inside.toPrecision(2)}, outside ${outside.toPrecision(2)}`;
  card.querySelector("button").disabled = Boolean(error);
});
on("frame:compare", (header, bitmap, bytes) => {
  const key = `${header.method} ${header.kind}`;
  const image = document.querySelector(`[data-view="${key}"]`);
  if (image) image.src = urls.show(key, bytes);
});
