"""What the tests of the studio share: a small generator, a server in this process, and a real browser."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.regions import Region
from tests.generators.small import small_stylegan2

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PATIENCE = 60.0
SIDE = 32


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a small generator with two named regions."""
    regions = {"left": Region.box(0.1, 0.2, 0.4, 0.8), "right": Region.box(0.6, 0.2, 0.9, 0.8)}
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    return save_generator(path, small_stylegan2(SIDE), About("small", "", regions=regions))


def without_faces(models: Any) -> Any:
    """Return models that know that the small generator shows no faces, which takes seconds to find out."""
    from ganvas.metrics.features import load_features
    from ganvas.metrics.identity import perceptual
    from ganvas.metrics.likeness import Likeness

    models.measures["small"] = Likeness("perceptual distance (Ganvas's own network)", perceptual(load_features()))
    return models


@dataclass(frozen=True)
class Served:
    """A studio that runs in this process."""

    address: str
    sessions: Any
    guard: Any

    @property
    def origin(self) -> str:
        return self.address.partition("/?")[0]


@pytest.fixture
def served(model_file: Path, tmp_path: Path) -> Iterator[Served]:
    """Run the studio on a free port, with a folder of its own."""
    import socket

    import uvicorn

    from ganvas.studio.app import make_app
    from ganvas.studio.guard import Guard
    from ganvas.studio.models import Models
    from ganvas.studio.sessions import Sessions

    torch.set_num_threads(1)
    models = without_faces(Models(torch.device("cpu")))
    sessions = Sessions(models, tmp_path / "studio", models.add(model_file, "small"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        guard = Guard(listener.getsockname()[1])
        server = uvicorn.Server(uvicorn.Config(make_app(sessions, guard), log_level="error", ws_max_size=16 * 2**20))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield Served(f"http://127.0.0.1:{guard.port}/?token={guard.token}", sessions, guard)
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start Debian's Chromium."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt-get install chromium), which is not on this machine")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Page:
    """A page of the studio in the browser, with what tests ask of it. `errors` are those of its console."""

    def __init__(self, page: Any) -> None:
        self.page, self.errors = page, []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def open(self, address: str) -> "Page":
        self.page.goto(address)
        return self.wait("store.images.image && store.state")

    def ask(self, expression: str) -> Any:
        return self.page.evaluate(f"() => {{ const store = window.__studio; return store ? {expression} : null; }}")

    def wait(self, expression: str, seconds: float = PATIENCE) -> "Page":
        """Wait until an expression of the page's store is true: the page forbids what `wait_for_function` does."""
        end = time.monotonic() + seconds
        while not self.ask(f"Boolean({expression})"):
            assert time.monotonic() < end, f"not true after {seconds} s: {expression}; errors {self.errors}"
            self.page.wait_for_timeout(15)
        return self

    def pixels(self, name: str = "image") -> torch.Tensor:
        """Return the newest image as levels [h, w, 3]."""
        script = """name => { const image = window.__studio.images[name];
            const pen = new OffscreenCanvas(image.width, image.height).getContext("2d");
            pen.drawImage(image, 0, 0);
            return [image.width, [...pen.getImageData(0, 0, image.width, image.height).data]]; }"""
        width, values = self.page.evaluate(script, name)
        return torch.tensor(values, dtype=torch.uint8).reshape(-1, width, 4)[..., :3]

    def mask(self) -> torch.Tensor:
        """Return the mask that is shown, [h, w] from 0 to 255; empty where none is."""
        gray = self.ask("store.images.mask ? [store.images.mask.gray.width, [...store.images.mask.gray.gray]] : null")
        return torch.zeros(0) if gray is None else torch.tensor(gray[1]).reshape(-1, gray[0])

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the image, in fractions, lies on the page."""
        box = self.page.evaluate("""async () => { const { view, side } = await import("/static/view.js");
            const bounds = document.getElementById("view").getBoundingClientRect();
            return [bounds.left + view.x, bounds.top + view.y, view.scale * side()]; }""")
        return box[0] + x * box[2], box[1] + y * box[2]

    def stroke(self, *points: tuple[float, float]) -> None:
        """Press at the first point of the image, move through the others, release."""
        mouse = self.page.mouse
        mouse.move(*self.at(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.at(*point), steps=4)
        mouse.up()

    def settle(self) -> "Page":
        """Wait until the newest version is shown at rest."""
        return self.wait("!store.images.moving && store.images.version === store.state.current")

    def mark(self, name: str) -> "Page":
        """Mark a named region, and wait for its directions."""
        self.page.click(f"#named .chip:has-text('{name}')")
        return self.wait(f"store.row && store.row.name === '{name}' && store.strips")

    def choose(self, direction: int = 0, sign: str = "More") -> "Page":
        """Choose a direction of the row, and wait until it is an edit."""
        count = self.ask("store.state.operations.length")
        self.page.click(f"[data-direction='{direction}'] [aria-label^={sign}]")
        return self.wait(f"store.state.operations.length === {count + 1}").settle()

    def slide(self, edit: int, amount: float) -> "Page":
        """Move the slider of an edit to an amount and release it."""
        version = self.ask("store.state.current")
        self.page.eval_on_selector(
            f"[data-edit='{edit}'] input[type=range]",
            """(slider, amount) => { for (const name of ["input", "change"]) {
                slider.value = amount; slider.dispatchEvent(new Event(name, { bubbles: true })); } }""",
            amount,
        )
        return self.wait(f"store.state.current !== {version}").settle()


@pytest.fixture
def open_page(browser: Any, served: Served) -> Iterator[Callable[..., Page]]:
    """Open pages of the studio in one browser profile; at the end none of them may have an error in its console."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True)
    context.add_init_script(
        "window.sockets = []; window.WebSocket = class extends WebSocket { constructor(...given) "
        "{ super(...given); window.sockets.push(this); } };"
    )
    pages: list[Page] = []

    def open_one(address: str = "") -> Page:
        pages.append(Page(context.new_page()))
        return pages[-1].open(address or served.address)

    yield open_one
    errors = [error for page in pages for error in page.errors]
    context.close()
    assert not errors


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """Open one page, its greeting closed."""
    page = open_page()
    page.page.click("#welcome button")
    return page
