"""Latents and directions from public trackers: the right codes in the right space."""

from pathlib import Path

import numpy as np
import pytest
import torch

import ganvas
from ganvas.generators.protocol import Generator


@pytest.fixture(scope="module")
def faces() -> Generator:
    return ganvas.load("faces")


@pytest.mark.parametrize(("name", "count"), [("projected_w.npz", 1), ("projected_w.npy", 1), ("latents.pt", 3)])
def test_codes_of_all_layers_are_a_latent_of_w_plus(shared: Path, faces: Generator, name: str, count: int):
    path = shared / "cases" / "03-latents-of-others" / name
    latent = ganvas.open_latent(path, faces)
    assert (latent.space, tuple(latent.codes.shape)) == ("w+", (count, 12, 256))
    stored = torch.load(path, weights_only=True) if name.endswith(".pt") else np.load(path)
    stored = stored["w"] if name.endswith(".npz") else stored
    torch.testing.assert_close(latent.codes, torch.as_tensor(stored).view(count, 12, 256).float(), rtol=0, atol=0)


def test_code_of_one_row_is_a_latent_of_w(shared: Path, faces: Generator):
    path = shared / "cases" / "03-latents-of-others" / "0.pt"
    latent = ganvas.open_latent(path, faces)
    assert (latent.space, tuple(latent.codes.shape)) == ("w", (1, 256))
    torch.testing.assert_close(latent.codes, torch.load(path, weights_only=True)[0])


def test_direction_by_layers_is_one_direction_of_w_plus(shared: Path, faces: Generator):
    folder = shared / "cases" / "04-directions-of-others"
    rows, one = (
        ganvas.load_directions(folder / f"one-direction-by-layers{end}.npy", generator=faces) for end in ("", "-1")
    )
    assert (rows.space, len(rows), rows.layers) == (one.space, len(one), one.layers) == ("w+", 1, tuple(range(12)))
    assert float((rows.vectors * one.vectors).sum()) == pytest.approx(1, abs=1e-6)
    assert len(ganvas.load_directions(folder / "one-direction-by-layers.npy", "w", faces)) == 12


@pytest.mark.parametrize(
    ("name", "key", "count"),
    [("age.pt", None, 1), ("pose.pt", None, 1), ("ganspace_pca.pt", "comp", 5), ("factor.pt", "eigvec", 256)],
)
def test_directions_move_latents_by_what_the_file_holds(
    shared: Path, faces: Generator, name: str, key: str | None, count: int
):
    path = shared / "cases" / "04-directions-of-others" / name
    found = ganvas.load_directions(path, generator=faces)
    assert (found.space, len(found)) == ("w", count)
    stored = torch.load(path, weights_only=True)
    stored = stored if key is None else stored[key]
    vectors = (stored.T if key == "eigvec" else stored).double().view(count, -1, 256)
    ws = ganvas.sample(faces, [4])
    for index in {0, count - 1}:
        moved = ganvas.edit(faces, ws, found[index], 1.0).codes - ws.codes
        torch.testing.assert_close(moved[0].double(), vectors[index].expand(12, 256), rtol=1e-4, atol=1e-5)
    if key == "comp":
        torch.testing.assert_close(found.stds, torch.load(path, weights_only=True)["std"].double().flatten())
