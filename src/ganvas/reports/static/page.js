"use strict";

// Gives each direction a larger image and a slider through the images of its strip. Without this the strip stands alone.
function addViewer(section) {
  const cells = [...section.querySelectorAll(".strip figure")];
  const strengths = cells.map((cell) => cell.querySelector(".strength").textContent);
  const viewer = document.createElement("div");
  const image = new Image();
  const slider = document.createElement("input");
  const readout = document.createElement("output");
  viewer.className = "viewer";
  Object.assign(slider, { type: "range", min: 0, max: cells.length - 1, step: 1 });
  slider.setAttribute("aria-label", `Strength of ${section.dataset.label}`);

  function show(index) {
    const source = cells[index].querySelector("img");
    Object.assign(image, { src: source.src, alt: source.alt, width: source.width, height: source.height });
    slider.value = index;
    slider.setAttribute("aria-valuetext", strengths[index]);
    readout.textContent = `strength ${strengths[index]}`;
    cells.forEach((cell, other) => cell.classList.toggle("chosen", other === index));
  }

  slider.addEventListener("input", () => show(Number(slider.value)));
  cells.forEach((cell, index) => cell.addEventListener("click", () => show(index)));
  viewer.append(image, slider, readout);
  section.querySelector(".strip").before(viewer);
  show(cells.length - 1);
}

document.documentElement.classList.add("scripted");
document.querySelectorAll(".direction").forEach(addViewer);
