"""Latents keep the photos they were inverted from: in rows, in files, and damaged ones are refused."""

from pathlib import Path

import pytest
import torch

from ganvas.errors import ResultFileError
from ganvas.io.tensor_files import write_tensors
from ganvas.latents.files import load_latent
from ganvas.latents.latent import Latent
from ganvas.latents.photo_origin import PhotoOrigin, joined


@pytest.fixture
def latent() -> Latent:
    random = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (3, 3, 8, 8), generator=random)
    frames = torch.randn(3, 2, 3, dtype=torch.float64, generator=random)
    return Latent(torch.randn(3, 4, generator=random), "w", photo=PhotoOrigin(levels / 127.5 - 1, frames))


def test_photos_and_maps_come_back_from_a_file(latent: Latent, tmp_path: Path):
    found = load_latent(latent.save(tmp_path / "a.safetensors")).photo
    assert found is not None
    torch.testing.assert_close(found.images, latent.photo.images, atol=1e-6, rtol=0)
    assert torch.equal(found.frames, latent.photo.frames)


def test_samples_take_their_photos_along(latent: Latent):
    chosen = latent.rows([2, 0, 2])
    assert torch.equal(chosen.photo.images, latent.photo.images[[2, 0, 2]])
    assert torch.equal(latent[1].photo.frames, latent.photo.frames[1:2])


def test_photos_are_joined_only_where_all_have_one(latent: Latent):
    parts = [latent[0].photo, latent[1:].photo]
    assert torch.equal(joined(parts).images, latent.photo.images)
    assert joined([latent.photo, None]) is None
    assert joined([]) is None


@pytest.mark.parametrize(
    "photo",
    [
        {"images": torch.zeros(2, 8, 8, 3, dtype=torch.uint8), "frames": torch.zeros(3, 2, 3)},
        {"images": torch.zeros(3, 8, 8, 3), "frames": torch.zeros(3, 2, 3)},
        {"images": torch.zeros(3, 8, 4, 3, dtype=torch.uint8), "frames": torch.zeros(3, 2, 3)},
        {"images": torch.zeros(3, 8, 8, 3, dtype=torch.uint8), "frames": torch.full((3, 2, 3), torch.nan)},
        {"images": torch.zeros(3, 8, 8, 3, dtype=torch.uint8)},
        {"frames": torch.zeros(3, 2, 3)},
    ],
)
def test_what_cannot_be_photos_is_refused(latent: Latent, tmp_path: Path, photo: dict[str, torch.Tensor]):
    path = latent.save(tmp_path / "a.safetensors")
    header = {"space": "w", "seeds": [], "label": None, "truncation": 1.0, "truncation_layers": None}
    tensors = {"codes": latent.codes} | {f"photo.{name}": values for name, values in photo.items()}
    write_tensors(path, "latent", tensors, header, ResultFileError)
    with pytest.raises(ResultFileError, match="is not a whole latent file"):
        load_latent(path)
