"""A short film of the studio and the images of its guide: Chromium, led by the hand of a script."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from benchmarks.studio import opened_page, wait
from cyclopts import Parameter
from PIL import Image, ImageDraw

from ganvas.images.decoding import opened
from studies.command import Out

WIDTH, HEIGHT = 1280, 800
FILM_WIDTH = 960
SECONDS = 1 / 8  # of a frame
HOLD = 10  # frames on which the eye may rest
SLIDE = (0.0, 1.5, 3.0, 4.5, 6.0, 4.0, 2.0, 0.0, -2.0, -4.0, -5.0, -3.0, 0.0, 3.0, 5.0)
WAIT = 300.0  # seconds
PLACE = """async () => { const { view, side } = await import("/static/view.js");
  const bounds = document.getElementById("view").getBoundingClientRect();
  return [bounds.left + view.x, bounds.top + view.y, view.scale * side()]; }"""
SLIDER = """(slider, [amount, name]) => {
  slider.value = amount; slider.dispatchEvent(new Event(name, { bubbles: true })); }"""


def study(
    model: Annotated[str, Parameter(help="Generator: faces or cats.")] = "faces",
    *,
    region: Annotated[str, Parameter(help="The named region that is marked.")] = "mouth",
    out: Out = Path("studio"),
) -> Sequence[Path]:
    """Film a visit to the studio: a region, a direction, its slider, a second edit, where the image changed, a drag;
    write studio.webp, and edit.jpg and drag.jpg of it.
    """
    out.mkdir(parents=True, exist_ok=True)
    with opened_page(model) as page:
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        film = Film(page)
        film.hold(HOLD)
        page.click("#welcome button")
        wait(page, "window.store.state.search.ready", WAIT)
        edit(film, region)
        still = film.picture(out / "edit.jpg")
        drag(film)
        paths = [still, film.picture(out / "drag.jpg")]
        film.hold(HOLD)
    return [*paths, film.save(out / "studio.webp")]


@dataclass
class Film:
    """Screenshots of a page, with a pointer where the mouse is."""

    page: Any
    at: tuple[float, float] = (WIDTH / 2, HEIGHT / 2)
    frames: list[np.ndarray] = field(default_factory=list)

    def hold(self, count: int = 1) -> None:
        """Film a number of frames."""
        for _ in range(count):
            self.page.wait_for_timeout(40)
            self.frames.append(self._seen())

    def until(self, expression: str) -> None:
        """Film until an expression is true on the page, one frame of four."""
        frames = 0
        while not self.page.evaluate(f"() => Boolean({expression})") and frames < WAIT / SECONDS:
            self.page.wait_for_timeout(100)
            frames += 1
            if frames % 4 == 0:
                self.hold()

    def move(self, x: float, y: float, steps: int = 4) -> None:
        """Film the pointer on its way."""
        (a, b), self.at = self.at, (x, y)
        for step in range(1, steps + 1):
            share = step / steps
            self.page.mouse.move(a + share * (x - a), b + share * (y - b))
            self.frames.append(self._seen((a + share * (x - a), b + share * (y - b))))

    def click(self, selector: str) -> None:
        """Go to what a selector names, and click it."""
        box = self.page.locator(selector).first.bounding_box()
        self.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.page.mouse.down()
        self.page.mouse.up()
        self.hold(2)

    def on_image(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the image, in fractions, lies on the page."""
        left, top, side = self.page.evaluate(PLACE)
        return left + x * side, top + y * side

    def picture(self, path: Path) -> Path:
        """Write the page as it is."""
        path.write_bytes(self.page.screenshot(type="jpeg", quality=85))
        return path

    def save(self, path: Path) -> Path:
        """Write the frames as an animated WebP."""
        first, *others = (Image.fromarray(frame) for frame in self.frames)
        timing = {"duration": round(1000 * SECONDS), "loop": 0}
        first.save(path, save_all=True, append_images=others, quality=70, method=4, **timing)
        return path

    def _seen(self, pointer: tuple[float, float] | None = None) -> np.ndarray:
        with opened(io.BytesIO(self.page.screenshot())) as screenshot:
            image = screenshot.convert("RGB")
        x, y = pointer or self.at
        arrow = [(x, y), (x + 4, y + 17), (x + 8, y + 12), (x + 14, y + 14)]
        ImageDraw.Draw(image).polygon(arrow, fill="white", outline="black")
        return np.asarray(image.resize((FILM_WIDTH, round(FILM_WIDTH * HEIGHT / WIDTH))))


def edit(film: Film, region: str) -> None:
    """Mark a region, choose a direction, move its slider, do the same to the eyes, and show where the image changed."""
    page = film.page
    film.click(f"#named .chip:has-text('{region}')")
    film.until("window.store.row && window.store.strips")
    film.hold(HOLD)
    film.click("[data-direction='0'] [aria-label^=More]")
    film.until("window.store.state.operations.length === 1")
    page.keyboard.press("r")
    slide(film, 0, SLIDE)
    film.hold(HOLD // 2)
    page.keyboard.press("r")
    film.click("#named .chip:has-text('eyes')")
    film.until("window.store.row && window.store.row.name === 'eyes' && window.store.strips")
    film.click("[data-direction='1'] [aria-label^=More]")
    film.until("window.store.state.operations.length === 2")
    slide(film, 1, SLIDE[:7])
    film.hold(HOLD // 2)
    for _ in "on", "off":
        page.keyboard.press("c")
        page.wait_for_timeout(300)
        film.hold(HOLD)


def slide(film: Film, number: int, amounts: Sequence[float]) -> None:
    """Move the slider of an edit."""
    slider = f"[data-edit='{number}'] input[type=range]"
    box = film.page.locator(slider).bounding_box()
    lowest, highest = (float(film.page.get_attribute(slider, name)) for name in ("min", "max"))
    for amount in amounts:
        share = (amount - lowest) / (highest - lowest)
        film.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2, steps=1)
        film.page.eval_on_selector(slider, SLIDER, [amount, "input"])
        film.page.wait_for_timeout(150)
        film.hold()
    film.page.eval_on_selector(slider, SLIDER, [amounts[-1], "change"])
    film.until("!window.store.images.moving")


def drag(film: Film) -> None:
    """Pull two points of the image apart."""
    page = film.page
    page.keyboard.press("d")
    for begun, ended in (((0.5, 0.45), (0.42, 0.45)), ((0.5, 0.92), (0.44, 0.9))):
        film.move(*film.on_image(*begun))
        page.mouse.down()
        film.move(*film.on_image(*ended))
        page.mouse.up()
        film.hold(2)
    film.click("#drag-start")
    film.until("window.store.state.operations.length === 3")
    film.hold(HOLD)
