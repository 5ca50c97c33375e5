"""How long the studio's page waits, as the browser sees it: Chromium on this machine, the server in another process."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.subjects import subject
from ganvas.checkpoints.own_format import save_generator
from ganvas.directions.direction import Direction, Directions
from ganvas.generators.protocol import About

COUNT = 50
SETUP = """async () => {
  const { on, store } = await import("/static/store.js");
  const { send, upload } = await import("/static/net.js");
  let wanted = null;
  for (const name of ["frame:strips", "frame:image", "frame:mask"])
    on(name, (header) => {
      if (wanted && wanted.name === name && wanted.fits(header)) requestAnimationFrame(() => wanted?.done());
    });
  window.measure = (name, fits, action, content) => new Promise((done) => {
    const begun = performance.now();
    wanted = { name, fits, done: () => { wanted = null; done(performance.now() - begun); } };
    send(action, content);
  });
  window.store = store;
  window.upload = upload;
}"""
REGION = """(i) => { const x = 0.1 + 0.5 * ((i * 0.37) % 1), y = 0.1 + 0.5 * ((i * 0.61) % 1);
  const known = window.store.state.areas.length;
  return window.measure("frame:strips", (header) => header.area >= known, "region.draw",
    { how: "new", shape: { kind: "box", left: x, top: y, right: x + 0.3, bottom: y + 0.25 } }); }"""
SLIDER = """(i) => window.measure("frame:image", (header) => header.moving, "edit.amount",
  { index: 0, amount: ((i * 0.37) % 1) * 8 - 4, live: true })"""
CLICK = """(i) => window.measure("frame:mask", () => true, "part.click",
  { x: 0.2 + 0.6 * ((i * 0.37) % 1), y: 0.2 + 0.6 * ((i * 0.61) % 1) })"""


def run() -> Iterator[str]:
    """Yield the lines of a table: median and 95th percentile in milliseconds."""
    yield "| what | median, ms | 95th percentile, ms |"
    yield "|---|---|---|"
    with opened_page("faces") as page:
        wait(page, "window.store.state.search.ready", 600)
        yield line("a new region to its row of directions", times(page, REGION))
        page.evaluate("() => window.measure('frame:image', () => true, 'edit.direction', { index: 0, amount: 3 })")
        yield line("a slider to the new image", times(page, SLIDER))
        yield line("a click to its mask", times(page, CLICK, COUNT // 2))
    with tempfile.TemporaryDirectory() as folder:
        large = save_generator(Path(folder) / "large.safetensors", subject(1024), About("large", ""))
        found = random_directions().save(Path(folder) / "directions.safetensors")
        with opened_page(str(large)) as page:
            prepare_large(page, found)
            yield line("the same slider at 1024 px, random weights: preview", times(page, SLIDER, COUNT // 2))


def times(page: Any, script: str, count: int = COUNT) -> list[float]:
    """Return how many milliseconds each of several actions took, the first two left out."""
    measured = []
    for number in range(count + 2):
        measured.append(page.evaluate(script, number))
        page.wait_for_timeout(120)
    return measured[2:]


def line(what: str, measured: list[float]) -> str:
    """Return a row of the table."""
    return f"| {what} | {statistics.median(measured):.0f} | {statistics.quantiles(measured, n=20)[-1]:.0f} |"


def random_directions() -> Directions:
    """Return a direction for config-f."""
    torch.manual_seed(0)
    vector = torch.nn.functional.normalize(torch.randn(512), dim=0)
    return Directions.of(Direction(vector, "w", (4, 5, 6, 7)))


def prepare_large(page: Any, found: Path) -> None:
    """Mark a region, give the page the directions of a file, and move along one."""
    box = {"kind": "box", "left": 0.3, "top": 0.6, "right": 0.7, "bottom": 0.8}
    content = json.dumps({"how": "new", "shape": box})
    page.evaluate(f"() => window.measure('frame:mask', (one) => one.area !== null, 'region.draw', {content})")
    page.evaluate(
        "bytes => window.upload('directions', new File([new Uint8Array(bytes)], 'one.safetensors'))",
        list(found.read_bytes()),
    )
    wait(page, "window.store.row", 120)
    page.evaluate("() => window.measure('frame:image', () => true, 'edit.direction', { index: 0, amount: 3 })")
    wait(page, "window.store.state.operations.length === 1", 120)


@contextmanager
def opened_page(model: str) -> Iterator[Any]:
    """Run the studio and open its page."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        environment = {**os.environ, "GANVAS_HOME": home}
        command = [sys.executable, "-m", "ganvas", "studio", model, "--no-browser"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert server.stdout is not None
            address = re.search(r"http\S+", server.stdout.readline())
            assert address is not None
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.goto(address.group())
            page.evaluate(SETUP)
            wait(page, "window.store.state && window.store.images.image", 120)
            yield page
            browser.close()
        finally:
            server.terminate()
            server.communicate()


def wait(page: Any, expression: str, seconds: float) -> None:
    """Wait until an expression is true on the page."""
    for _ in range(int(seconds * 10)):
        if page.evaluate(f"() => Boolean({expression})"):
            return
        page.wait_for_timeout(100)
    raise TimeoutError(expression)
