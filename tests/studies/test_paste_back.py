"""The study of putting edits back: photos as phones store them hold the photo where the latent says."""

from dataclasses import replace

import pytest
import torch
from PIL import Image
from studies.paste_back import phones

import ganvas
from ganvas.images.photos import read_in_frame, read_photo_in_frame
from ganvas.images.stored_photo import read_stored
from ganvas.latents.photo_origin import PhotoOrigin
from tests.images.stored_files import random_levels


@pytest.mark.parametrize(("number", "kind"), list(enumerate(kind for kind, _ in phones.KINDS)))
def test_the_photo_lies_in_the_canvas_where_the_latent_says(tmp_path, monkeypatch, number, kind):
    for name, value in (("WIDTH", 200), ("HEIGHT", 150), ("LEFT", 60), ("TOP", 40)):
        monkeypatch.setattr(phones, name, value)
    smooth = Image.fromarray(random_levels(4, 4, 3)).resize((64, 64), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "me.png")
    image, frame = read_photo_in_frame(tmp_path / "me.png", 16)
    latent = ganvas.Latent(torch.zeros(1, 8), "z")
    latent = replace(latent, photo=PhotoOrigin(image, frame[None]), source=str(tmp_path / "me.png"))
    path, placed = phones.phone_photo(tmp_path, tmp_path / "me.png", latent, number)
    assert placed.source == str(path)
    assert read_stored(path).orientation == dict(phones.KINDS)[kind]
    monkeypatch.setattr("ganvas.images.photos.to_srgb", lambda image: (image, ""))  # the profile is another one
    found = read_in_frame(path, 16, placed.photo.frames[0])
    assert (found - image).abs().mean() < 0.02
