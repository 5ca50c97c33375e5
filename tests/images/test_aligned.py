"""Aligned photos on disk: they keep the way back, and are not aligned again."""

from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.errors import ImageError
from ganvas.images.aligned import origin_of, write_aligned
from ganvas.images.photos import read_photo_in_frame
from ganvas.images.pixels import read_image, write_image
from ganvas.inversion.photos import PhotoSettings, align_photo
from tests.generators.small import small_stylegan2

FRAME = torch.tensor([[0.5, 0.1, 0.2], [-0.1, 0.5, 0.25]], dtype=torch.float64)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_way_back_is_read_as_it_was_written(image: torch.Tensor, tmp_path: Path):
    path = write_aligned(tmp_path / "a.png", image, FRAME, "photos/me.jpg")
    assert (read_image(path) - image).abs().max() <= 1 / 255 + 1e-6
    photo, frame = origin_of(path)
    assert photo == Path("photos/me.jpg")
    assert torch.equal(frame, FRAME)


@pytest.mark.parametrize("text", ["", "[]", '{"frame": 3}', '{"photo": "a", "frame": [[1, 2], [3, 4]]}'])
def test_other_files_and_damaged_chunks_have_no_way_back(image: torch.Tensor, tmp_path: Path, text: str):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    chunk = PngInfo()
    chunk.add_text("ganvas-aligned", text)
    path = write_image(tmp_path / "a.png", image)
    with Image.open(path) as plain:
        plain.save(path, pnginfo=chunk)
    assert origin_of(path) is None


def test_only_png_is_written(image: torch.Tensor, tmp_path: Path):
    with pytest.raises(ImageError, match=r"ends in \.png"):
        write_aligned(tmp_path / "a.jpg", image, FRAME, "me.jpg")
    assert not list(tmp_path.iterdir())


def test_an_aligned_file_is_taken_as_it_is(image: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else its face would be found and moved a second time."""
    generator = small_stylegan2(16)
    monkeypatch.setattr("ganvas.inversion.photos.finder_named", lambda name: pytest.fail("looked for a face"))
    monkeypatch.setattr("ganvas.inversion.photos.named_regions", lambda generator: ganvas.regions.named.FFHQ)
    path = write_aligned(tmp_path / "a.png", image, FRAME, "me.jpg")
    found = align_photo(path, generator)
    assert (found.how, found.chosen) == ("aligned before", True)
    assert torch.equal(found.image, align_photo(path, generator, PhotoSettings(as_is=True)).image)


def test_the_map_of_a_photo_brings_its_pixels_back(tmp_path: Path):
    """A linear ramp of the photo, read at the mapped places, is the aligned image."""
    y, x = torch.meshgrid((torch.arange(200) + 0.5) / 200, (torch.arange(300) + 0.5) / 300, indexing="ij")
    photo = torch.stack([x, y, (x + y) / 2])[None] * 1.6 - 0.8
    path = write_image(tmp_path / "ramp.png", photo, bits=16)
    eyes, places = ((0.45, 0.5), (0.6, 0.55)), ((0.35, 0.4), (0.65, 0.4))
    image, frame = read_photo_in_frame(path, 64, eyes=eyes, eye_places=places)
    middle = (torch.arange(64) + 0.5).double() / 64
    v, u = torch.meshgrid(middle, middle, indexing="ij")
    there = torch.einsum("ij,jhw->ihw", frame, torch.stack([u, v, torch.ones_like(u)]))
    inside = ((there > 0.05) & (there < 0.95)).all(0)
    assert inside.float().mean() > 0.5
    expected = there[:2].float() * 1.6 - 0.8
    assert (image[0, :2] - expected)[:, inside].abs().max() < 0.02
