"""Images are known by their content, whatever their names end in; a file that is none is called what it is."""

import contextlib
import importlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

import ganvas
from ganvas.drag.request_json import read_points
from ganvas.errors import GanvasError, ImageError
from ganvas.images import pixels
from ganvas.images.datasets import open_images
from ganvas.images.decoding import is_image
from ganvas.inversion.encoder import load_encoder
from tests.fakes import LayeredGenerator
from tests.images.samples import smooth

pytestmark = pytest.mark.usefixtures("home", "one_thread")
PICTURE = Image.fromarray(pixels.to_bytes(smooth(1, 48))[0, :, :32].numpy())
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="needs a Pillow with AVIF")


def encoded(kind: str, image: Image.Image = PICTURE, **options) -> bytes:
    stream = io.BytesIO()
    if kind == "HEIC":
        heif = pytest.importorskip("pillow_heif").from_pillow(image)
        heif.save(stream, quality=95, **options)
    else:
        image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.HEIC", "a.PNG", "a", "a.b", "photo 1.JPG.download"])
def test_ending_does_not_matter(tmp_path: Path, name: str):
    path = tmp_path / name
    for kind in ("JPEG", "PNG", "WEBP"):
        path.write_bytes(encoded(kind))
        assert is_image(path)
        with Image.open(io.BytesIO(path.read_bytes())) as expected:
            values = torch.from_numpy(np.array(expected))[None]
        assert torch.equal(pixels.to_bytes(ganvas.read_image(path)), values)
        assert ganvas.read_photo(path, 16).shape == (1, 3, 16, 16)


def test_files_are_images_by_content_or_ending(tmp_path: Path):
    for name, content in {"a": encoded("PNG"), ".b": encoded("PNG"), "c.npy": encoded("GIF"), "d.png": b"x"}.items():
        (tmp_path / name).write_bytes(content)
    found = [
        name for name in ("a", ".b", "c.npy", "d.png", "none.JPG", "none", "none.txt") if is_image(tmp_path / name)
    ]
    assert found == ["a", "c.npy", "d.png", "none.JPG"]
    assert not is_image(tmp_path)


@pytest.mark.parametrize("kind", [pytest.param("AVIF", marks=needs_avif), "HEIC"])
def test_avif_and_heic_are_read_upright(tmp_path: Path, kind: str):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "plain").write_bytes(encoded(kind))
    (tmp_path / "turned").write_bytes(encoded(kind, PICTURE.rotate(90, expand=True), exif=exif.tobytes()))
    for name in ("plain", "turned"):
        image = ganvas.read_image(tmp_path / name)
        assert image.shape == (1, 3, 48, 32)
        assert (pixels.to_bytes(image).int() - torch.from_numpy(np.array(PICTURE)).int()).abs().float().mean() < 6
        sketch, alpha = ganvas.read_sketch(tmp_path / name, 12)
        assert (sketch[..., 3:-3] - pixels.resize(image, 12, 8)[..., 1:-1]).abs().max() < 0.05
        assert alpha[..., :2].max() == alpha[..., -2:].max() == 0


def test_heic_without_the_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.jpg").write_bytes(encoded("HEIC"))
    real = importlib.import_module

    def missing(name: str, *rest):
        if name == "pillow_heif":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImageError, match=r'it is a HEIC image; pip install "ganvas\[heic\]", or save it as JPEG'):
        ganvas.read_image(tmp_path / "a.jpg")


def test_large_heic_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").write_bytes(encoded("HEIC"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="megapixels"):
        ganvas.read_image(tmp_path / "a")


@pytest.mark.parametrize("kind", [pytest.param("AVIF", marks=needs_avif), "HEIC"])
def test_damaged_avif_and_heic_give_an_image_error_or_an_image(kind: str):
    whole, random = encoded(kind), np.random.RandomState(0)
    for end in (20, 60, len(whole) // 2, len(whole) - 3):
        with pytest.raises(ImageError):
            ganvas.read_image(io.BytesIO(whole[:end]))
    for _ in range(20):
        content = bytearray(whole)
        for place in random.randint(0, len(content), 4):
            content[place] = random.randint(256)
        with contextlib.suppress(ImageError):
            assert ganvas.read_image(io.BytesIO(bytes(content))).isfinite().all()


def test_dataset_holds_images_of_any_ending_and_counts_the_rest(tmp_path: Path):
    for index, name in enumerate(("a.jfif", "b.HEIC", "c", "d.jpe", "e.png")):
        (tmp_path / name).write_bytes(encoded("JPEG", PICTURE.rotate(index)))
    (tmp_path / "f.png").write_text("no image")
    (tmp_path / "dataset.json").write_text("{}")
    (tmp_path / "sub").mkdir()
    for name in ("sub/notes.txt", "more.txt", "weights.bin"):
        (tmp_path / name).write_bytes(b"\0" * 20 if name.endswith("bin") else b"text")
    images = open_images(tmp_path, 16, fewest=1)
    assert len(images) == 5
    assert images.summary.skipped == {"f.png": "Cannot read the image: it is text, not an image."}
    assert images.summary.others == {".txt, text": 2, ".bin, of unknown kind": 1}
    (tmp_path / "later.md").write_text("not packed again, but counted")
    assert open_images(tmp_path, 16, fewest=1).summary.others[".md, text"] == 1


def test_images_in_a_zip_are_known_by_their_content_too(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in ("a.jfif", "b/c.HEIC", "d", "e.jpg"):
            archive.writestr(name, encoded("JPEG"))
        archive.writestr("b/dataset.json", "{}")
        archive.writestr("weights.pt", b"PK\x03\x04" + bytes(60))
    summary = open_images(tmp_path / "images.zip", 16, fewest=1).summary
    assert (summary.count, summary.others) == (4, {".json, text": 1, ".pt, a zip archive": 1})


def test_images_of_the_tracker_are_all_found(shared: Path):
    images = open_images(shared / "cases" / "09-pictures-by-ending" / "pictures", 32)
    assert (len(images), images.summary.skipped, images.summary.others) == (40, {}, {})


def test_photo_of_the_tracker_is_opened_as_a_photo(shared: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(generator: object, image: torch.Tensor, *_: object, **__: object) -> None:
        raise InterruptedError(f"inverts an image of shape {list(image.shape)}")

    monkeypatch.setattr("ganvas.inversion.open.BatchInversion", stop)
    path = shared / "cases" / "09-pictures-by-ending" / "pictures" / "20.jfif"
    with pytest.raises(InterruptedError, match=r"of shape \[1, 3, 8, 8\]"):
        ganvas.open_latent(path, LayeredGenerator())


WRONG = {
    "a JPEG image": encoded("JPEG"),
    "a WebP image": encoded("WEBP"),
    "a gzip archive": b"\x1f\x8b\x08" + bytes(60),
    "a PDF": b"%PDF-1.7\n" + bytes(60),
    "a web page": b"<!DOCTYPE html><html></html>",
}


def test_every_reader_says_what_a_wrong_file_is(tmp_path: Path):
    generator = LayeredGenerator()
    readers = {
        "not a latent file": ganvas.load_latent,
        "not codes|it is": lambda path: ganvas.open_latent(path, generator),
        "directions: it is": ganvas.load_directions,
        "not a generator": ganvas.load,
        "not a encoder file|not an encoder file": load_encoder,
        "not JSON": read_points,
    }
    for words, content in WRONG.items():
        (tmp_path / "x.safetensors").write_bytes(content)
        for said, read in readers.items():
            if "image" in words and "codes" in said:
                continue  # it is a photo
            with pytest.raises(GanvasError, match=said) as caught:
                read(tmp_path / "x.safetensors")
            assert words in str(caught.value)
            assert "header too large" not in str(caught.value)


def test_every_reader_of_images_says_what_a_wrong_file_is(tmp_path: Path):
    readers = (ganvas.read_image, lambda path: ganvas.read_photo(path, 8), ganvas.Region.from_mask_file)
    latent = ganvas.sample(LayeredGenerator(), [0]).save(tmp_path / "latent.safetensors").read_bytes()
    others = {"a safetensors file": latent, "text": json.dumps({"a": 1}).encode(), **WRONG}
    for words, content in others.items():
        (tmp_path / "x.png").write_bytes(content)
        for read in readers:
            if "image" not in words:
                with pytest.raises(ImageError, match=f"it is {words}, not an image"):
                    read(tmp_path / "x.png")
