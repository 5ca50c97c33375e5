"""``ganvas drag``: what it writes, doing it again, Ctrl-C, and wrong input."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.drag.run import DragRun
from ganvas.drag.session import DragSession
from ganvas.drag.trace import read_trace
from ganvas.generators.protocol import About
from ganvas.images import pixels
from ganvas.reports import drag_report
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan

POINT = ("--point", "0.4,0.4>0.6,0.45")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("generators")
    made = {"plain": small_stylegan2(16), "classes": small_stylegan2(16, label_dim=3), "dcgan": small_dcgan()}
    return {
        name: save_generator(folder / f"{name}.safetensors", one, About(name, name * 9, {}))
        for name, one in made.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("method", ["draggan", "freedrag"])
def test_replayed_trace_repeats_the_drag(run: Run, files: dict[str, Path], tmp_path: Path, method: str):
    mask = tmp_path / "mask.png"
    Image.fromarray(np.uint8(np.tile([[255], [180], [255], [90]], (4, 16)))).save(mask)
    options = ("--method", method, "--steps", "4", "--seed", "5", "--frames", "3", "--mask", mask)
    outcome = run("drag", files["plain"], *POINT, *options, "--out", tmp_path / "a", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    summary = json.loads(outcome.out)
    assert summary["drags"][0]["reason"] == "step limit"
    written = {Path(path).name for path in summary["files"]}
    assert written >= {"start.png", "end.png", "drag.png", "drag.gif", "drag.webp", "latent.safetensors", "trace.json"}
    with Image.open(tmp_path / "a" / "drag.webp") as video:
        assert video.width == 384
    again = run("drag", files["plain"], "--replay", tmp_path / "a" / "trace.json", "--out", tmp_path / "b")
    assert (again.code, again.err) == (0, "")
    assert f"{method}: step limit after 4 steps, " in again.out
    assert ("content" in again.out) == (summary["drags"][0]["left"][0] is not None)
    for name in ("start.png", "end.png", "drag.png", "trace.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_video_ends_with_the_result_and_no_image_is_synthesized_in_vain(
    run: Run, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    videos: list[list[np.ndarray]] = []
    painted = []
    real = DragSession.image
    monkeypatch.setattr(DragSession, "image", lambda *given: painted.append(1) or real(*given))
    write = lambda path, video, seconds: videos.append([video[i] for i in range(len(video))]) or path  # noqa: E731
    monkeypatch.setattr(drag_report, "write_frames", write)
    assert run("drag", files["plain"], *POINT, "--steps", "9", "--frames", "4", "--out", tmp_path).code == 0
    assert len(videos[0]) == 4 + drag_report.PAUSE
    assert len(painted) == 4 + 3  # start, end, and the end beside the start
    beside = ganvas.read_image(tmp_path / "drag.png")
    last = pixels.from_bytes(torch.from_numpy(videos[0][-1][None].copy()))
    assert (last - beside[..., -384:, -384:]).abs().max() < 0.01


@pytest.mark.slow
def test_trace_is_extended_and_shortened(run: Run, files: dict[str, Path], tmp_path: Path):
    short = ("--steps", "3", "--frames", "0")
    assert run("drag", files["plain"], *POINT, *short, "--out", tmp_path / "a").err == ""
    more = ("--point", "0.5,0.5>0.4,0.5", "--method", "freedrag", "--rate", "0.02")
    trace = tmp_path / "a" / "trace.json"
    outcome = run("drag", files["plain"], "--replay", trace, *more, *short, "--out", tmp_path / "b")
    assert (outcome.code, outcome.err) == (0, "")
    assert "draggan: step limit after 3 steps" in outcome.out
    assert "freedrag: step limit after 3 steps" in outcome.out
    both = tmp_path / "b" / "trace.json"
    assert [request.method.method for request in read_trace(both).requests] == ["draggan", "freedrag"]
    assert (tmp_path / "a" / "end.png").read_bytes() != (tmp_path / "b" / "end.png").read_bytes()
    undone = ("--replay", both, "--undo", "1", "--frames", "0", "--out", tmp_path / "c")
    assert run("drag", files["plain"], *undone).code == 0
    for name in ("end.png", "trace.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "c" / name).read_bytes()
    none = ("--replay", both, "--undo", "2", "--out", tmp_path / "d")
    assert run("drag", files["plain"], *none).code == 0
    assert (tmp_path / "d" / "end.png").read_bytes() == (tmp_path / "a" / "start.png").read_bytes()
    refused = run("drag", files["plain"], "--replay", both, "--undo", "3", "--out", tmp_path / "d")
    assert "holds 2 drags; --undo takes 0 to 2" in refused.err


@pytest.mark.parametrize(
    ("gray", "code", "message"),
    [(255, 0, "step limit"), (110, 0, "step limit"), (0, 2, "black all over, so that nothing may move")],
)
def test_uniform_masks_move_everything_or_nothing(
    run: Run, files: dict[str, Path], tmp_path: Path, gray: int, code: int, message: str
):
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full((16, 16), gray, np.uint8)).save(mask)
    short = ("--steps", "3", "--frames", "0")
    outcome = run("drag", files["plain"], *POINT, *short, "--mask", mask, "--out", tmp_path / "a")
    assert outcome.code == code
    assert message in outcome.out + outcome.err
    if gray == 255:
        assert run("drag", files["plain"], *POINT, *short, "--out", tmp_path / "b", "--overwrite").code == 0
        assert (tmp_path / "a" / "end.png").read_bytes() == (tmp_path / "b" / "end.png").read_bytes()


def test_a_dragged_latent_is_dragged_on(run: Run, files: dict[str, Path], tmp_path: Path):
    first = ("--seed", "1", "--label", "2", "--steps", "2", "--frames", "0")
    assert run("drag", files["classes"], *POINT, *first, "--out", tmp_path / "a").err == ""
    kept = ganvas.load_latent(tmp_path / "a" / "latent.safetensors")
    assert (kept.space, kept.label, kept.names) == ("w+", 2, ("seed 1, dragged",))
    points = tmp_path / "points.json"
    points.write_text('[{"handle": [0.4, 0.4], "target": [0.5, 0.5]}]', "utf-8")
    second = ("--latent", tmp_path / "a" / "latent.safetensors", "--points", points, "--steps", "2", "--frames", "0")
    assert run("drag", files["classes"], *second, "--space", "w", "--out", tmp_path / "b").err == ""
    trace = read_trace(tmp_path / "b" / "trace.json")
    torch.testing.assert_close(trace.codes, kept.codes, rtol=0, atol=0)
    assert trace.space == "w"
    assert not (tmp_path / "b" / "drag.gif").exists()


def test_z_only_generator_is_dragged_in_z(run: Run, files: dict[str, Path], tmp_path: Path):
    outcome = run("drag", files["dcgan"], *POINT, "--steps", "2", "--frames", "0", "--out", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    dragged = ganvas.load_latent(tmp_path / "latent.safetensors")
    generator = ganvas.load(files["dcgan"])
    assert (dragged.space, dragged.truncation) == ("z", 0.7)
    ours, theirs = next(dragged.images(generator)), ganvas.read_image(tmp_path / "end.png")
    assert (ours.clamp(-1, 1) - theirs).abs().max() < 1 / 127


@pytest.mark.slow
def test_ctrl_c_leaves_what_is_done(run: Run, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stopped(run):
        for number, state in enumerate(real(run)):
            if number == 2:
                yield state
                raise KeyboardInterrupt
            yield state

    real = DragRun.__iter__
    monkeypatch.setattr(DragRun, "__iter__", stopped)
    outcome = run("drag", files["plain"], *POINT, "--out", tmp_path / "a")
    assert outcome.code == 130
    assert "draggan: canceled after 3 steps" in outcome.out
    monkeypatch.undo()
    assert run("drag", files["plain"], "--replay", tmp_path / "a" / "trace.json", "--out", tmp_path / "b").code == 0
    assert (tmp_path / "a" / "end.png").read_bytes() == (tmp_path / "b" / "end.png").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "No point was given"),
        (("--point", "0.4,0.4"), "write X,Y:X,Y"),
        (("--point", "0.4>0.5"), "Write X,Y:X,Y"),
        (("--point", "1.4,0.4>0.5,0.5"), "lies off the image"),
        (("--point", "nan,0.4>0.5,0.5"), "nan is not possible"),
        ((*POINT, "--mask", "box:0.8,0.8,0.9,0.9"), "lies outside of what the mask lets move"),
        ((*POINT, "--mask", "nowhere.png"), "nowhere.png"),
        ((*POINT, "--steps", "0"), "0 is not possible; give 1 to"),
        ((*POINT, "--frames", "201"), "give 0 to 200"),
        ((*POINT, "--frames", "1"), "give 2 to 200, or 0 for none"),
        ((*POINT, "--rate", "0"), "not possible"),
        ((*POINT, "--radius", "nan"), "not possible"),
        ((*POINT, "--scale", "1"), "draggan has no setting 'scale'"),
        ((*POINT, "--method", "pull"), "pull"),
        ((*POINT, "--feature", "b512"), "Feature map 'b512' does not exist"),
        ((*POINT, "--layers", "99"), "has layers 0-5"),
        ((*POINT, "--space", "z", "--layers", "1"), "leave layers out"),
        ((*POINT, "--seed", "1", "--latent", "nowhere"), "leave --seed out"),
        (("--seed", "1", "--replay", "nowhere"), "leave out yours"),
        (("--space", "w", "--replay", "nowhere"), "leave out yours"),
        (("--method", "freedrag", "--replay", "nowhere"), "leave out yours, or add a --point"),
        (("--steps", "3", "--replay", "nowhere"), "leave out yours, or add a --point"),
        (("--truncation", "0.5", "--replay", "nowhere"), "leave --truncation out"),
        (("--samples", "1", "--replay", "nowhere"), "holds its own image"),
        ((*POINT, "--undo", "1"), "give the trace by --replay"),
        ((*POINT, "--inner-steps", "3"), "draggan has no setting 'inner_steps'"),
        ((*POINT, "--patience", "0"), "not possible"),
        ((*POINT, "--method", "freedrag", "--distance", "nan"), "not possible"),
        (("--replay", "nowhere"), "no file 'nowhere'"),
        (("--points", "nowhere"), "no file 'nowhere'"),
    ],
)
def test_drag_refuses_wrong_options(
    run: Run, files: dict[str, Path], tmp_path: Path, options: tuple[str, ...], message: str
):
    outcome = run("drag", files["plain"], *options, "--out", tmp_path / "none")
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.splitlines()) <= 2
    assert not (tmp_path / "none").exists()


def test_one_image_of_several_is_chosen_to_drag(run: Run, files: dict[str, Path], tmp_path: Path):
    latent = ganvas.sample(ganvas.load(files["plain"]), [1, 2]).save(tmp_path / "latent.safetensors")
    options = (*POINT, "--steps", "1", "--frames", "0", "--latent", latent)
    assert "choose one to drag by --samples" in run("drag", files["plain"], *options).err
    assert run("drag", files["plain"], *options, "--samples", "1", "--out", tmp_path / "out").code == 0


def test_damaged_weights_are_refused(run: Run, tmp_path: Path):
    broken = small_stylegan2(16)
    broken.synthesis.blocks["b8"].conv1.bias.fill_(torch.nan)
    file = save_generator(tmp_path / "broken.safetensors", broken, About("broken", "", {}))
    outcome = run("drag", file, *POINT, "--out", tmp_path / "none")
    assert outcome.code == 2
    assert "not finite" in outcome.err
