"""What comes to the page and goes from it: photos, recipes, videos, generators; drags and sketches."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganvas.images.pixels import read_image, to_bytes, write_image
from tests.studio.conftest import SIDE, Page

pytestmark = pytest.mark.slow


def export(page: Page, what: str, folder: Path) -> Path:
    """Export by the dialog, by the name or the selector of a choice, and return the file that the browser saved."""
    page.page.click("#open-export")
    with page.page.expect_download() as download:
        page.page.click(what if "[" in what else f"[data-export='{what}']")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    page.page.keyboard.press("Escape")
    return path


def give(page: Page, kind: str, path: Path) -> None:
    """Give the page a file, as its buttons do."""
    page.page.click("#choose-image")
    with page.page.expect_file_chooser() as chooser:
        page.page.click(f"#images .drop button:has-text('{kind}')")
    chooser.value.set_files(path)


def levels(path: Path) -> torch.Tensor:
    return to_bytes(read_image(path))[0]


def test_the_command_line_renders_the_saved_recipe_to_the_pixel(page, tmp_path, model_file):
    page.mark("left").choose()
    page.mark("right").choose(1, "Less")
    image, saved = export(page, "Image", tmp_path), export(page, "Recipe", tmp_path)
    assert torch.equal(levels(image), page.pixels())
    zipfile.ZipFile(saved).extractall(tmp_path)
    command = [
        sys.executable,
        "-m",
        "ganvas",
        "render",
        "edit.recipe",
        "--model",
        str(model_file),
        "--out",
        "again.png",
    ]
    subprocess.run([*command, "--threads", "1"], cwd=tmp_path, check=True, capture_output=True)
    assert torch.equal(levels(tmp_path / "again.png"), page.pixels())


def test_a_saved_recipe_opens_again(page, tmp_path):
    page.mark("left").choose()
    edited, saved = page.pixels(), export(page, "Recipe", tmp_path)
    page.page.click("#undo")
    page.wait("store.state.operations.length === 0").settle()
    assert not torch.equal(page.pixels(), edited)
    give(page, "Recipe", saved)
    page.wait("store.state.operations.length === 1").settle()
    assert torch.equal(page.pixels(), edited)


def test_an_edited_photo_is_pasted_back_and_is_the_same_outside(page, tmp_path):
    torch.manual_seed(3)
    photo = write_image(tmp_path / "photo.png", page.pixels().permute(2, 0, 1)[None].float() / 127.5 - 1)
    large = Image.open(photo).resize((96, 96), Image.Resampling.BICUBIC)
    large.save(photo)
    give(page, "Photo", photo)
    page.wait("store.state.base.photo", seconds=200).settle()
    page.mark("left").choose()
    pasted = export(page, "Photo", tmp_path)
    before, after = levels(photo), levels(pasted)
    assert after.shape == (96, 96, 3)
    assert torch.equal(before[:, 70:], after[:, 70:])
    assert not torch.equal(before, after)


def test_a_drag_of_two_pairs_is_stopped_and_undone(page):
    before = page.pixels()
    page.page.keyboard.press("d")
    page.stroke((0.3, 0.5), (0.45, 0.5))
    page.stroke((0.7, 0.5), (0.8, 0.4))
    assert page.ask("store.pairs.length") == 2
    page.page.click("#drag-start")
    page.wait("store.moving")
    page.page.click("#drag-stop")
    page.wait("store.state.operations.length === 1").settle()
    assert page.ask("store.state.operations[0].kind") == "drag"
    assert not torch.equal(page.pixels(), before)
    page.page.click("#undo")
    page.wait("store.state.operations.length === 0").settle()
    assert torch.equal(page.pixels(), before)


def test_a_drag_is_paused_and_goes_on(page):
    page.page.keyboard.press("d")
    page.stroke((0.3, 0.5), (0.6, 0.5))
    page.page.click("#drag-start")
    page.wait("store.moving")
    page.page.click("#drag-pause")
    page.wait("store.state.paused")
    page.page.wait_for_timeout(300)
    waiting = page.pixels()
    page.page.wait_for_timeout(300)
    assert torch.equal(page.pixels(), waiting)
    page.page.click("#drag-resume")
    page.wait("!store.state.paused && store.moving")
    page.page.click("#drag-stop")
    page.wait("store.state.operations.length === 1").settle()
    assert not torch.equal(page.pixels(), waiting)


def test_a_confined_drag_leaves_the_outside_as_it_was(page):
    before = page.pixels()
    page.mark("left")
    page.page.keyboard.press("d")
    page.stroke((0.25, 0.4), (0.25, 0.6))
    page.page.check("#drag-confined")
    page.page.fill("[aria-label='Steps at most']", "4")
    page.page.keyboard.press("Tab")
    page.page.click("#drag-start")
    page.wait("store.state.operations.length === 1").settle()
    assert torch.equal(page.pixels()[:, round(0.6 * SIDE) :], before[:, round(0.6 * SIDE) :])
    assert not torch.equal(page.pixels(), before)


def test_a_sketch_becomes_an_edit(page):
    before = page.pixels()
    page.page.keyboard.press("s")
    page.stroke((0.2, 0.2), (0.6, 0.2), (0.6, 0.6))
    page.page.click("#sketch-start")
    page.wait("store.state.operations.length === 1").settle()
    assert page.ask("store.state.operations[0].kind") == "sketch"
    assert not torch.equal(page.pixels(), before)


def test_candidates_of_a_sketch_are_shown_and_one_is_picked(page):
    page.page.keyboard.press("s")
    page.stroke((0.2, 0.2), (0.6, 0.2), (0.6, 0.6))
    page.page.fill("[aria-label='How many candidates']", "2")
    page.page.keyboard.press("Tab")
    page.page.click("#sketch-candidates")
    page.page.wait_for_selector("[data-candidate-image='1'][src^=blob]", timeout=60000)
    page.page.click("#candidates-stop")
    page.wait("store.candidates && store.candidates.length === 2")
    page.page.click("[data-candidate='1']")
    page.wait("store.state.base.caption.startsWith('sketch from')").settle()
    page.page.click("#show-candidates")
    assert page.page.locator("[data-candidate]").count() == 2


def test_a_film_goes_from_before_to_after(page, tmp_path):
    before = page.pixels()
    page.mark("left").choose()
    film = export(page, "[data-film=webp]", tmp_path)
    after = page.pixels()
    with Image.open(film) as frames:
        count = frames.n_frames
        ends = [torch.frombuffer(bytearray(frame(frames, at)), dtype=torch.uint8) for at in (0, count - 1)]
    first, last = (one.reshape(SIDE, SIDE, 3).int() for one in ends)
    assert count > 10
    assert (first - before.int()).abs().sum() < (first - after.int()).abs().sum()
    assert (last - after.int()).abs().sum() < (last - before.int()).abs().sum()


def test_strip_page_and_command_are_exported(page, tmp_path):
    page.mark("left").choose()
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert read_image(export(page, "Strip", tmp_path)).shape[-1] == 5 * SIDE + 8
    assert "move by" in export(page, "Page", tmp_path).read_text()
    page.page.click("#open-export")
    page.page.click("#copy-command")
    page.page.wait_for_selector("#copy-command:has-text('Copied')")
    copied = page.page.evaluate("() => navigator.clipboard.readText()")
    assert "ganvas render edit.recipe" in copied


def frame(frames: Image.Image, number: int) -> bytes:
    frames.seek(number)
    return frames.convert("RGB").tobytes()


def test_a_foreign_checkpoint_opens_and_a_hostile_one_is_refused(page, tmp_path, model_file):
    hostile = tmp_path / "hostile.pkl"
    hostile.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    give(page, "Generator", hostile)
    page.page.wait_for_selector(".toast")
    assert not (tmp_path / "ran").exists()
    assert "hostile" in page.page.inner_text(".toast")
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes(model_file.read_bytes())
    give(page, "Generator", copy)
    page.wait("store.state.model === 'mine.safetensors'").settle()
    page.mark("left").choose()


def test_hostile_files_and_names_run_nothing(page, tmp_path):
    name = '<img src=x onerror="window.ran=1">'
    page.page.evaluate(
        """async (name) => { const { send } = await import("/static/net.js");
        const shape = { kind: "box", left: 0.1, top: 0.1, right: 0.5, bottom: 0.5 };
        send("region.draw", { how: "new", name, shape }); }""",
        name,
    )
    page.wait("store.state.areas.length === 1 && store.row")
    page.choose()
    assert name in page.page.inner_text("#regions")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("../../evil.recipe", "{}")
        made.writestr("../../evil.recipe.safetensors", "x")
    (tmp_path / "evil.zip").write_bytes(archive.getvalue())
    give(page, "Recipe", tmp_path / "evil.zip")
    page.page.wait_for_selector(".toast")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    page.page.click(".toast button")
    give(page, "Photo", tmp_path / "bomb.png")
    page.page.wait_for_selector(".toast:has-text('bomb')")
    assert page.page.evaluate("() => window.ran") is None
    assert not list(tmp_path.parent.glob("evil*"))
    page.choose(1)  # the page goes on


def test_a_film_goes_through_steps_of_the_history(page, tmp_path):
    page.mark("left").choose()
    page.choose(1)
    page.page.click("#open-film")
    for step in page.ask("store.state.versions.filter((one) => one.edit).map((one) => one.number)")[:3]:
        page.page.click(f"[data-step='{step}']")
    page.page.select_option("#film [aria-label=Format]", "gif")
    with page.page.expect_download() as download:
        page.page.click("#make-film")
    download.value.save_as(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as frames:
        assert frames.n_frames > 10


def test_methods_are_compared_and_one_is_used(page):
    page.mark("left")
    first = page.ask("JSON.stringify(store.row.directions)")
    page.page.click("#more summary")
    page.page.click("#compare-methods")
    page.wait("store.compared && store.compared.resefa && store.compared.sefa && store.compared.random")
    assert page.ask("store.compared.sefa.error") is None
    page.page.wait_for_selector("[data-method=sefa] button:not([disabled])")
    page.page.click("[data-method=sefa] button")
    page.wait(f"JSON.stringify(store.row.directions) !== {first!r}")
    page.choose()
