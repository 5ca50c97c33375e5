"""Everything made from a generator says which; used on another one, the library warns as the command line does."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ganvas
from ganvas.generators.protocol import About
from ganvas.regions import Region
from tests.generators.small import small_stylegan2

REGION = Region.box(0.2, 0.2, 0.7, 0.6)
METHOD = ganvas.ReSeFa(resolution=8)


def generator(name: str) -> ganvas.Generator:
    made = small_stylegan2(32)
    made.about = About(name, {"ours": "a", "theirs": "b"}[name] * 64)
    return made


@pytest.fixture(scope="module")
def ours() -> ganvas.Generator:
    return generator("ours")


@pytest.fixture(scope="module")
def theirs() -> ganvas.Generator:
    return generator("theirs")


def makers(ours: ganvas.Generator, tmp_path: Path) -> Iterator[tuple[str, object]]:
    latent = ganvas.sample(ours, [1])
    found = ganvas.find_directions(ours, latent, REGION, method=METHOD, count=1)
    yield "sample", latent
    yield "find_directions", found.origin
    yield "cached", ganvas.cache_jacobians(ours, latent, method=METHOD).find(REGION, 1).origin
    yield "one direction", found[0].origin
    yield "edit", ganvas.edit(ours, latent, found[0], 1.0)
    yield "mix", ganvas.mix(ours, latent, ganvas.sample(ours, [2]), "0-1")
    yield "interpolate", ganvas.path_through(ours, ganvas.sample(ours, [1, 2])).at(np.linspace(0, 1, 3))
    yield "drag", ganvas.drag_points(ours, latent, [((0.3, 0.5), (0.5, 0.5))], steps=1).latent
    photo = ours.synthesize(latent)
    yield "invert", ganvas.invert(ours, photo, settings=ganvas.InversionSettings("w+", steps=1)).latent
    drawing = (photo.clamp(-1, 1), torch.ones(1, 32, 32))
    yield "sketch", ganvas.sketch(ours, drawing, ganvas.SketchSettings(steps=1, candidates=1), random=0).latent


@pytest.mark.slow
def test_all_that_is_made_names_its_generator(ours: ganvas.Generator, tmp_path: Path):
    for what, made in makers(ours, tmp_path):
        assert (what, made.generator, made.generator_hash) == (what, "ours", "a" * 64)


LATENT_USERS: dict[str, Callable[[ganvas.Generator, ganvas.Latent], object]] = {
    "synthesize": lambda G, latent: G.synthesize(latent),
    "images": lambda G, latent: list(latent.images(G)),
    "to_space": lambda G, latent: latent.to_space(G, "w+"),
    "find_directions": lambda G, latent: ganvas.find_directions(G, latent, REGION, method=METHOD),
    "cache_jacobians": lambda G, latent: ganvas.cache_jacobians(G, latent, method=METHOD),
    "open_drag": lambda G, latent: ganvas.open_drag(G, latent),
    "path_through": lambda G, latent: ganvas.path_through(G, latent.rows([0, 0])),
    "mix": lambda G, latent: ganvas.mix(G, latent, latent, "0-1"),
}


@pytest.mark.parametrize("use", LATENT_USERS.values(), ids=LATENT_USERS)
def test_a_latent_of_another_generator_is_a_warning(ours: ganvas.Generator, theirs: ganvas.Generator, use: Callable):
    with pytest.warns(UserWarning, match="made by another generator"):
        use(theirs, ganvas.sample(ours, [1]))
    use(theirs, ganvas.sample(theirs, [1]))


def test_a_direction_of_another_generator_is_a_warning(ours: ganvas.Generator, theirs: ganvas.Generator):
    latent = ganvas.sample(theirs, [1])
    direction = ganvas.find_directions(ours, ganvas.sample(ours, [1]), REGION, method=METHOD)[0]
    for use in (
        lambda: ganvas.edit(theirs, latent, direction, 1.0),
        lambda: ganvas.edit_series(theirs, latent, direction, [1.0]),
    ):
        with pytest.warns(UserWarning, match="found on another generator"):
            use()


def test_nothing_is_said_where_nothing_is_known(theirs: ganvas.Generator):
    unknown = replace(ganvas.sample(theirs, [1]), generator="", generator_hash="")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs.synthesize(unknown)
        ganvas.edit(theirs, unknown, ganvas.Direction(torch.eye(6)[0], "w", None), 1.0)
