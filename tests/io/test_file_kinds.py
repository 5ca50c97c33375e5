"""Kinds of files by their first bytes, in words."""

import gzip
import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save as save_safetensors

from ganvas.io import file_kinds
from ganvas.io.file_kinds import HEAD_BYTES, kind_of, kind_of_file, wrong_kind


def image(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(stream, kind)
    return stream.getvalue()


def written(write, *arguments, **options) -> bytes:
    stream = io.BytesIO()
    write(stream, *arguments, **options)
    return stream.getvalue()


def zipped(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, "x")
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    return stream.getvalue()


def media(*brands: bytes) -> bytes:
    content = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return (len(content) + 4).to_bytes(4, "big") + content + bytes(20)


TENSOR = torch.ones(3)
KINDS = {
    "a PNG image": image("PNG"),
    "a JPEG image": image("JPEG"),
    "a GIF image": image("GIF"),
    "a WebP image": image("WEBP"),
    "a BMP image": image("BMP"),
    "a TIFF image": image("TIFF"),
    "a PPM image": image("PPM"),
    "an AVIF image": media(b"mif1", b"miaf", b"avif"),
    "a HEIC image": media(b"heic", b"mif1", b"miaf"),
    "a raw photo": media(b"crx ", b"isom"),
    "an MP4 or MOV video": media(b"isom", b"avc1"),
    "PostScript, a program": image("EPS"),
    "a PDF": image("PDF"),
    "a JPEG 2000 image": image("JPEG2000"),
    "an icon": image("ICO"),
    "an array of numpy (.npy)": written(np.save, np.ones(3)),
    "a .npz archive of numpy": written(np.savez, w=np.ones(3)),
    "a checkpoint of torch.save": written(lambda stream: torch.save(TENSOR, stream)),
    "a checkpoint of torch.save in its old format": written(
        lambda stream: torch.save(TENSOR, stream, _use_new_zipfile_serialization=False)
    ),
    "a safetensors file": save_safetensors({"x": TENSOR}),
    "a safetensors file that was cut short": save_safetensors({"x": TENSOR})[:30],
    "a pickle (.pkl)": pickle.dumps([1.5]),
    "a zip archive": zipped("readme.txt"),
    "a gzip archive": gzip.compress(b"x"),
    "a tar archive": tarred(),
    "a web page": b"\xef\xbb\xbf\n<!DOCTYPE html><html>",
    "an SVG drawing": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "text": "0.5 0.25 naïve\n".encode() * 60,
    "empty (0 bytes)": b"",
}


@pytest.mark.parametrize("words", KINDS)
def test_content_decides_what_a_file_is(tmp_path: Path, words: str):
    (tmp_path / "x.png").write_bytes(KINDS[words])
    found = kind_of_file(tmp_path / "x.png")
    assert found is not None
    assert found.words == words


def test_bytes_that_say_nothing_are_of_no_kind(tmp_path: Path):
    for content in (bytes(range(256)), b"BM, it began", b"\x80\x63}.", bytes(600), b"P7 is no format"):
        found = kind_of(content[:HEAD_BYTES], len(content))
        assert found is None or found is file_kinds.TEXT
    (tmp_path / "x").write_bytes(bytes(20))
    assert wrong_kind(tmp_path / "x", "a latent file") == wrong_kind(tmp_path / "none", "a latent file") == ""


def test_sentence_says_what_a_file_is_and_what_to_do(tmp_path: Path):
    path = tmp_path / "me.safetensors"
    path.write_bytes(KINDS["a JPEG image"])
    assert wrong_kind(path, "a latent file") == f"'{path}' is a JPEG image, not a latent file."
    path.write_bytes(KINDS["a gzip archive"])
    assert wrong_kind(path, "a latent file") == f"'{path}' is a gzip archive, not a latent file: unpack it first."
    path.write_bytes(b"")
    assert wrong_kind(path, "an image") == f"'{path}' is empty (0 bytes): copy or fetch it again."
    path.write_bytes(KINDS["a safetensors file"])
    assert wrong_kind(path, "a latent file", file_kinds.SAFETENSORS) == ""
