"""Every public function and class with every wrong kind of value for every parameter: an error of ours, or a result.

Without the tests' checks of types, which users do not have: so in a process of its own, which prints what was answered.
"""

import contextlib
import inspect
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

RESULTS = {
    "CachedSearch",
    "ConfinedImages",
    "DragSession",
    "Evaluation",
    "Inversion",
    "InversionMetrics",
    "Part",
    "PartModel",
    "PastedPhoto",
    "SketchResult",
    "Timing",
} | {"TrainingEvent"}
"""What Ganvas alone constructs."""
LONG = {"train(settings=None)", "train(schedule=None)"}
"""What is right, and takes long."""
WITHOUT_ARGUMENTS = {"Generator", "keep_freed_memory"}


def wrong_values() -> dict[str, Any]:
    """Return one value of every kind that some function does not expect."""
    import numpy as np
    import torch

    return {
        "None": None,
        "a list": [1, 2],
        "an empty list": [],
        "a list of texts": ["a", "b"],
        "a dict": {"a": 1},
        "an object": object(),
        "a function": lambda *_, **__: None,
        "bytes": b"abc",
        "text": "nonsense",
        "empty text": "",
        "long text": "x" * 5000,
        "text with a zero": "a\0b",
        "True": True,
        "-1": -1,
        "0": 0,
        "nan": float("nan"),
        "infinity": float("inf"),
        "1e308": 1e308,
        "10^30": 10**30,
        "5,000 digits": 10**5000,
        "a complex number": 1j,
        "an array": np.zeros((2, 3)),
        "an array of texts": np.array(["a"]),
        "a tensor": torch.zeros(2, 3),
        "a meta tensor": torch.zeros(1, 3, 8, 8, device="meta"),
        "a sparse tensor": torch.eye(3).to_sparse(),
        "an empty tensor": torch.zeros(0, 3, 8, 8),
        "a tensor of five axes": torch.zeros(1, 1, 3, 8, 8),
        "a tensor of no axis": torch.tensor(1.0),
        "a tensor of nan": torch.full((1, 3, 32, 32), float("nan")),
        "a tensor of infinity": torch.full((1, 3, 32, 32), float("inf")),
        "whole images": torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
        "a class": type("Anything", (), {"__init__": lambda self, *_, **__: None}),
    }


def right_calls(folder: Path) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return arguments that each public function and class takes, so that it takes next to no time."""
    import torch

    import ganvas
    from ganvas.checkpoints.own_format import save_generator
    from ganvas.generators.protocol import About
    from ganvas.latents.photo_origin import PhotoOrigin
    from ganvas.training.encoder.run import EncoderSchedule
    from tests.generators.small import small_stylegan2
    from tests.training.tiny import DC, write_images

    G = small_stylegan2(32, channels=3)
    file = save_generator(folder / "small.safetensors", G, About("small", ""))
    latent = ganvas.sample(G, [1])
    region = ganvas.Region.box(0.2, 0.2, 0.7, 0.7)
    method = ganvas.ReSeFa(resolution=8)
    found = ganvas.find_directions(G, latent, region, method=method, count=1)
    path = ganvas.path_through(G, [latent, ganvas.sample(G, [2])])
    images = write_images(folder / "images", 20, (32, 32))
    photo = images / "00.png"
    pixels = torch.zeros(1, 3, 32, 32)
    short = ganvas.RunSchedule(8, log_every=0, sheet_every=0, snapshot_every=0)
    run = {"data": images, "schedule": short}
    inverting = ganvas.InversionSettings(steps=1)
    paint = torch.nn.Sequential(torch.nn.Linear(6, 3 * 16), torch.nn.Unflatten(1, (3, 4, 4))).eval()
    base = {"generator": G, "latent": latent}
    recipe = ganvas.Recipe(latent).move(found[0], 1.0, inside=region)
    parts = ganvas.find_parts(G, count=3, samples=2)
    origin = PhotoOrigin(ganvas.read_photo(photo, 32), torch.eye(2, 3, dtype=torch.float64)[None])
    of_photo = replace(latent, photo=origin, source=str(photo))
    count = iter(range(10**6))

    def out(name: str) -> Path:
        return folder / f"{name}{next(count)}"

    return {
        "AdaptationSettings": lambda: {"model": str(file), "hash": "", "resolution": 32},
        "ClickFeatures": lambda: dict(base),
        "BigGANSettings": lambda: {"channels": (8, 8), "discriminator_channels": (8, 8)},
        "ConfineSettings": dict,
        "CorrectedEdit": dict,
        "DCGANSettings": dict,
        "R3GANSettings": lambda: {"channels": (8, 8)},
        "Direction": lambda: {"vector": torch.tensor([0.6, 0.8]), "space": "w", "layers": None},
        "Directions": lambda: {name: getattr(found, name) for name in inspect.signature(ganvas.Directions).parameters},
        "DragGANSettings": dict,
        "EncoderSettings": dict,
        "FollowedEdit": dict,
        "FreeDragSettings": dict,
        "GANSpace": dict,
        "InversionSettings": dict,
        "LELSD": dict,
        "Latent": lambda: {"codes": latent.codes, "space": "w+"},
        "LatentPath": lambda: {"keys": path.keys},
        "LocalBasis": dict,
        "LowRankGAN": dict,
        "PandA": dict,
        "RandomDirections": dict,
        "SeFa": dict,
        "StyleSpace": dict,
        "LossWeights": lambda: {"l2": 1.0},
        "PhotoSettings": dict,
        "ReSeFa": dict,
        "Recipe": lambda: {"base": latent},
        "Region": lambda: {"shape": region.shape},
        "Ridge": dict,
        "RunSchedule": dict,
        "SketchSettings": dict,
        "StyleGAN2Settings": lambda: {"channels": (8, 8), "discriminator_channels": (8, 8)},
        "StyleGAN3Settings": lambda: {
            "resolution": 16, "channels": (8, 8, 8, 8), "discriminator_channels": (8, 8, 8)
        },
        "TuningSettings": dict,
        "align_photo": lambda: {"path": photo, "generator": G},
        "borrow": lambda: base | {"source": latent, "part": region},
        "cache_jacobians": lambda: base | {"method": method},
        "confine": lambda: base | {"edited": latent, "inside": region},
        "convert": lambda: {"source": file, "target": out("converted").with_suffix(".safetensors")},
        "drag_points": lambda: base | {"points": [((0.4, 0.4), (0.6, 0.6))], "steps": 1},
        "edit": lambda: base | {"directions": found[0]},
        "edit_series": lambda: base | {"direction": found[0], "strengths": [1.0]},
        "evaluate": lambda: {"generator": G, "data": images, "seeds": range(10), "images": 10},
        "find_directions": lambda: base | {"region": region, "method": method, "count": 1},
        "find_parts": lambda: {"generator": G, "count": 3, "samples": 2, "feature": "b8"},
        "info": lambda: {"source": file},
        "invert": lambda: {"generator": G, "photos": pixels, "settings": inverting},
        "learn_parts": lambda: base | {"labels": (torch.arange(64) // 32).view(1, 8, 8), "names": {"lower": [1]}},
        "load": lambda: {"source": file},
        "load_directions": lambda: {"path": file},
        "load_latent": lambda: {"path": file},
        "load_parts": lambda: {"path": parts.save(folder / "parts.safetensors")},
        "load_recipe": lambda: {"path": recipe.save(folder / "small.recipe")},
        "mix": lambda: {"generator": G, "content": latent, "style": latent, "layers": 0},
        "mix_grid": lambda: {"generator": G, "content": latent, "style": latent, "layers": 0},
        "named_regions": lambda: {"generator": G},
        "open_drag": lambda: dict(base),
        "open_latent": lambda: {"path": latent.save(folder / "latent.safetensors"), "generator": G},
        "open_photo": lambda: {
            "path": photo, "generator": G, "settings": ganvas.PhotoSettings(as_is=True, ood="off"), "tune": False
        },
        "part": lambda: {"generator": G, "text": "click:0.5,0.5"},
        "paste_back": lambda: {
            "generator": G, "edited": pixels, "photo": photo, "path": out("pasted").with_suffix(".png"),
            "original": of_photo,
        },
        "path_through": lambda: {"generator": G, "latents": [latent, latent]},
        "rank_sources": lambda: base | {"sources": latent, "part": region},
        "read_image": lambda: {"file": photo},
        "read_photo": lambda: {"path": photo, "resolution": 32},
        "read_sketch": lambda: {"path": photo, "resolution": 32},
        "render": lambda: {"generator": G, "recipe": recipe},
        "retime": lambda: {"generator": G, "path": path, "frames": 3},
        "sample": lambda: {"generator": G, "seeds": [1]},
        "show": lambda: {"images": pixels},
        "sketch": lambda: {
            "generator": G, "drawing": photo, "settings": ganvas.SketchSettings(steps=1, candidates=1), "random": 0
        },
        "train": lambda: run | {"settings": DC, "out": out("dcgan")},
        "train_encoder": lambda: {
            "model": str(file), "data": images, "settings": ganvas.EncoderSettings(steps=1, batch=2),
            "out": out("encoder"), "schedule": EncoderSchedule(1, 1),
        },
        "wrap": lambda: {"module": paint.requires_grad_(False), "z_dim": 6},
        "write_animation": lambda: {"path": folder / "a.gif", "frames": pixels, "seconds_per_frame": 0.1},
        "write_image": lambda: {"path": folder / "a.png", "image": pixels},
    }  # fmt: skip


def right_methods(folder: Path) -> list[tuple[Callable[..., object], dict[str, Any]]]:
    """Return methods of public classes that users call, with arguments that they take."""
    import ganvas
    from tests.generators.small import small_stylegan2

    G, method = small_stylegan2(32, channels=3), ganvas.ReSeFa(resolution=8)
    latent, region = ganvas.sample(G, [1]), ganvas.Region.box(0.2, 0.2, 0.7, 0.7)
    found = ganvas.find_directions(G, latent, region, method=method, count=1)
    clicked = ganvas.ClickFeatures(G, latent)
    cached, session = ganvas.cache_jacobians(G, latent, method=method), ganvas.open_drag(G, latent)
    return [
        (ganvas.Region.box, {"left": 0.1, "top": 0.1, "right": 0.5, "bottom": 0.5}),
        (ganvas.Region.polygon, {"points": [(0, 0), (1, 0), (0.5, 0.5)]}),
        (ganvas.Region.brush, {"points": [(0.5, 0.5)], "radius": 0.1}),
        (ganvas.Region.from_mask, {"mask": region.mask(8, 8)}),
        (ganvas.Region.from_mask_file, {"path": folder / "none.png"}),
        (ganvas.Region.from_labels, {"source": folder / "none.png", "labels": 1}),
        (region.feather, {"radius": 0.1}),
        (region.mask, {"height": 8, "width": 8}),
        (region.split, {"height": 8, "width": 8, "ignore_band": 0.1}),
        (latent.rows, {"chosen": [0]}),
        (latent.save, {"path": folder / "a.safetensors"}),
        (latent.check_fits, {"generator": G}),
        (latent.to_space, {"generator": G, "space": "w+"}),
        (found[0].align, {"to": found[0]}),
        (found.save, {"path": folder / "b.safetensors"}),
        (found.check_fits, {"generator": G}),
        (cached.find, {"region": region, "count": 1}),
        (clicked.region, {"inside": [(0.2, 0.2)], "outside": [(0.7, 0.7)], "threshold": 0.3}),
        (session.drag, {"points": [((0.2, 0.2), (0.4, 0.4))], "steps": 1}),
    ]


def public() -> dict[str, Any]:
    """Return the public functions and classes that take arguments of users."""
    import ganvas

    named = {name: getattr(ganvas, name) for name in ganvas.__all__ if name not in RESULTS | WITHOUT_ARGUMENTS}
    return {name: one for name, one in named.items() if not (inspect.isclass(one) and issubclass(one, Exception))}


def attempts(names: list[str]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield every public function with every wrong value for each of its parameters."""
    import torch

    torch.set_num_threads(1)
    known = public()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        calls = right_calls(Path(folder))
        assert set(calls) == set(known)
        for name, function in known.items():
            if names and name not in names:
                continue
            for parameter in inspect.signature(function).parameters:
                for what, value in wrong_values().items():
                    yield (
                        f"{name}({parameter}={what})",
                        lambda f=function, n=name, p=parameter, v=value: f(**calls[n]() | {p: v}),
                    )


def attempts_at_methods() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield methods with every wrong value for each of their parameters."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for method, arguments in right_methods(Path(folder)):
            for parameter in arguments:
                for what, value in wrong_values().items():
                    yield (
                        f"{method.__qualname__}({parameter}={what})",
                        lambda f=method, a=arguments, p=parameter, v=value: f(**a | {p: v}),
                    )


def answers(names: list[str]) -> dict[str, Any]:
    """Return how many attempts there were, and what those got that were answered neither by a result nor by us."""
    from ganvas.errors import GanvasError

    wrong, count = {}, 0
    warnings.simplefilter("ignore")
    for name, attempt in attempts_at_methods() if names == ["methods"] else attempts(names):
        if name in LONG:
            continue
        count += 1
        try:
            attempt()
        except GanvasError as error:
            if len(str(error)) > 600:
                wrong[name] = f"a message of {len(str(error))} characters"
        except Exception as error:
            wrong[name] = f"{type(error).__name__}: {str(error)[:200]}"
    return {"count": count, "wrong": wrong}


def results_that_are_not_finite() -> list[str]:
    """Return which calls with nan or infinity inside give a result, and not an error of ours."""
    import torch

    import ganvas
    from tests.generators.small import small_stylegan2

    G, given = small_stylegan2(32, channels=3), []
    image, alpha = torch.zeros(1, 3, 32, 32), torch.ones(1, 32, 32)
    quick = ganvas.SketchSettings(steps=1, candidates=1)
    for value in (float("nan"), float("inf"), float("-inf")):
        broken = image.clone()
        broken[0, 1, 5, 6] = value
        attempts = {
            "sketch": lambda b=broken: ganvas.sketch(G, (b, alpha), quick, random=0),
            "sketch alpha": lambda b=broken: ganvas.sketch(G, (image, b[:, 1] + 1), quick, random=0),
            "invert": lambda b=broken: ganvas.invert(G, b, ganvas.InversionSettings(steps=1)),
            "mask": lambda b=broken: ganvas.invert(G, image, ganvas.InversionSettings(steps=1), mask=b[:, 1] + 1),
            "Latent": lambda v=value: ganvas.Latent(torch.full((1, 6), v), "w"),
            "sample": lambda v=value: ganvas.sample(G, [1], truncation=v),
            "strength": lambda v=value: ganvas.edit(
                G, ganvas.sample(G, [1], space="w"), ganvas.Direction(torch.eye(6)[0], "w", None), v
            ),
        }
        for name, attempt in attempts.items():
            try:
                attempt()
            except ganvas.GanvasError:
                continue
            given.append(f"{name} of {value}")
    for psi in (1e18, 1e308, -1e18, 11.0):
        try:
            ganvas.sample(G, [1], truncation=psi)
        except ganvas.LatentError:
            continue
        given.append(f"truncation {psi}")
    return given


def told(*names: str) -> dict[str, Any]:
    code = f"import json; from tests import test_wrong_arguments as t; print(json.dumps(t.answers({list(names)!r})))"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.slow
def test_what_is_not_finite_is_refused_and_never_computed_with():
    code = "import json; from tests import test_wrong_arguments as t; print(t.results_that_are_not_finite())"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.slow
def test_wrong_kinds_give_an_error_of_ours():
    found = told("sample", "Latent", "edit", "path_through", "Region", "DragGANSettings", "show")
    assert found["count"] > 800
    assert found["wrong"] == {}


@pytest.mark.slow
def test_wrong_kinds_give_an_error_of_ours_in_methods():
    found = told("methods")
    assert found["count"] > 900
    assert found["wrong"] == {}


@pytest.mark.slow
def test_wrong_kinds_give_an_error_of_ours_everywhere():
    found = told()
    assert found["count"] > 5000
    assert found["wrong"] == {}
