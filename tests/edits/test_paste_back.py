"""Edits put back into photo files: nothing outside changes, whatever the file is, and wrong input leaves no file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import ganvas
from ganvas.errors import ImageError, LatentError
from ganvas.images.aligned import write_aligned
from ganvas.images.icc import DISPLAY_P3
from ganvas.images.photos import read_photo_in_frame
from ganvas.images.stored_photo import read_stored
from ganvas.latents.photo_origin import PhotoOrigin
from tests.generators.small import small_stylegan2
from tests.images.stored_files import random_levels, turned, write_photo

EYES, PLACES = ((0.35, 0.4), (0.6, 0.45)), ((0.3, 0.3), (0.7, 0.3))
REGION = ganvas.Region.box(0.3, 0.3, 0.8, 0.7)


@pytest.fixture(scope="module")
def generator() -> ganvas.Generator:
    return small_stylegan2(16)


def latent_of(generator: ganvas.Generator, path: Path) -> ganvas.Latent:
    """Return a latent as `open_latent` would of a photo; of an untrained generator any code is as good."""
    image, frame = read_photo_in_frame(path, 16, eyes=EYES, eye_places=PLACES)
    latent = ganvas.sample(generator, [1], truncation=0.5)
    return replace(latent, photo=PhotoOrigin(image, frame[None]), source=str(path), names=(path.stem,))


def image(side: int = 16, seed: int = 1) -> torch.Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(
    ("suffix", "channels", "dtype"),
    [
        (".png", 3, np.uint8),
        (".png", 4, np.uint16),
        (".png", 1, np.uint16),
        (".tif", 3, np.uint16),
        (".webp", 4, np.uint8),
    ],
)
def test_outside_the_region_the_file_is_the_same_bit_for_bit(tmp_path, generator, suffix, channels, dtype):
    path = write_photo(tmp_path / f"me{suffix}", random_levels(48, 60, channels, dtype), 6)
    edited = image()
    done = ganvas.paste_back(
        generator, edited, None, tmp_path / f"new{suffix}", original=latent_of(generator, path), region=REGION
    )
    before, after = read_stored(path), read_stored(done.path)
    assert (after.levels[~done.inside] == before.levels[~done.inside]).all()
    assert (after.levels != before.levels).any()
    if after.has_alpha:
        assert (after.levels[..., -1] == before.levels[..., -1]).all()
    assert (done.changed, done.pixels, after.orientation) == (done.inside.sum(), 48 * 60, 6)
    assert "the others kept bit for bit" in done.described


def test_an_edit_of_an_aligned_file_goes_back_into_the_photo_it_was_cut_from(tmp_path, generator):
    path = write_photo(tmp_path / "me.png", random_levels(48, 60, 3), 6)
    cut, frame = read_photo_in_frame(path, 32, eyes=EYES, eye_places=PLACES)
    aligned = write_aligned(tmp_path / "me-aligned.png", cut, frame, path)
    small, inner = read_photo_in_frame(aligned, 16, box=(0.1, 0.0, 0.9, 0.8))
    latent = ganvas.sample(generator, [1], truncation=0.5)
    latent = replace(latent, photo=PhotoOrigin(small, inner[None]), source=str(aligned), names=("me-aligned",))
    done = ganvas.paste_back(generator, image(), None, tmp_path / "new.png", original=latent, region=REGION)
    assert done.pixels == 48 * 60
    # The same by hand: crop and alignment as one map.
    both = torch.cat([frame[:, :2] @ inner[:, :2], frame[:, :2] @ inner[:, 2:] + frame[:, 2:]], dim=1)
    direct = replace(latent, photo=PhotoOrigin(small, both[None]), source=str(path), names=("me",))
    by_hand = ganvas.paste_back(generator, image(), None, tmp_path / "hand.png", original=direct, region=REGION)
    assert (read_stored(done.path).levels == read_stored(by_hand.path).levels).all()
    into_aligned = ganvas.paste_back(
        generator, image(), aligned, tmp_path / "aligned.png", original=latent, region=REGION
    )
    assert into_aligned.pixels == 32 * 32


def test_every_orientation_gives_the_same_upright_photo(tmp_path, generator):
    upright, found = random_levels(48, 60, 3), []
    for orientation in range(1, 9):
        path = write_photo(tmp_path / f"{orientation}.png", turned(upright, orientation), orientation)
        done = ganvas.paste_back(
            generator, image(), path, tmp_path / "new.png", original=latent_of(generator, path), region=REGION
        )
        with Image.open(done.path) as written:
            assert written.getexif()[0x0112] == orientation
            found.append(np.asarray(ImageOps.exif_transpose(written), dtype=int))
    assert (found[0] != upright).any()
    assert max(np.abs(other - found[0]).max() for other in found) <= 1  # halves may be rounded either way
    assert all((other[found[0] == upright] == upright[found[0] == upright]).mean() > 0.999 for other in found)


def test_a_jpeg_differs_outside_by_its_coding_alone_and_that_is_said(tmp_path, generator):
    smooth = Image.fromarray(random_levels(4, 4, 3)).resize((60, 48), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "me.jpg", quality=80, icc_profile=DISPLAY_P3)
    latent = latent_of(generator, tmp_path / "me.jpg")
    done = ganvas.paste_back(generator, image(), None, tmp_path / "new.jpg", original=latent, region=REGION)
    before, after = read_stored(tmp_path / "me.jpg"), read_stored(done.path)
    assert "quantization tables" in done.described
    assert "bit for bit" not in done.described
    assert (before.coding, before.profile) == (after.coding, DISPLAY_P3)
    far = ~done.inside
    far[1:] &= ~done.inside[:-1]
    assert np.abs(before.levels[far].astype(int) - after.levels[far]).mean() < 2
    exact = ganvas.paste_back(generator, image(), None, tmp_path / "new.png", original=latent, region=REGION)
    assert (read_stored(exact.path).levels[~exact.inside] == before.levels[~exact.inside]).all()


def test_a_gray_photo_stays_gray(tmp_path, generator):
    path = write_photo(tmp_path / "me.png", random_levels(48, 60, 1))
    done = ganvas.paste_back(
        generator, image(), None, tmp_path / "new.png", original=latent_of(generator, path), region=REGION
    )
    with Image.open(done.path) as written:
        assert written.mode == "L"


def test_latents_and_images_give_the_same_and_a_larger_file_takes_the_edit_too(tmp_path, generator):
    small = Image.fromarray(random_levels(24, 30, 3))
    small.save(tmp_path / "me.png")
    small.resize((120, 96), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    latent, edited = latent_of(generator, tmp_path / "me.png"), ganvas.sample(generator, [2], truncation=0.5)
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    ganvas.paste_back(generator, edited, None, paths[0], original=latent, region=REGION)
    ganvas.paste_back(generator, generator.synthesize(edited), None, paths[1], original=latent, region=REGION)
    large = ganvas.paste_back(generator, edited, tmp_path / "large.png", paths[2], original=latent, region=REGION)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert large.inside.shape == (96, 120)


def test_two_edits_one_after_another_leave_each_other_alone(tmp_path, generator):
    path = write_photo(tmp_path / "me.png", random_levels(48, 60, 3))
    latent = latent_of(generator, path)
    left, right = ganvas.Region.box(0.1, 0.3, 0.3, 0.6), ganvas.Region.box(0.75, 0.3, 0.9, 0.6)
    one = ganvas.paste_back(generator, image(), None, tmp_path / "one.png", original=latent, region=left)
    both = ganvas.paste_back(generator, image(), one.path, tmp_path / "both.png", original=latent, region=right)
    other = ganvas.paste_back(generator, image(), None, tmp_path / "other.png", original=latent, region=right)
    levels = {name: read_stored(tmp_path / f"{name}.png").levels for name in ("me", "one", "both", "other")}
    assert not (one.inside & other.inside).any()
    assert (levels["both"][one.inside] == levels["one"][one.inside]).all()
    assert (levels["both"][both.inside] == levels["other"][both.inside]).all()


def test_a_recipe_brings_its_photo_and_its_regions(tmp_path, generator):
    path = write_photo(tmp_path / "me.png", random_levels(48, 60, 3))
    latent, other = latent_of(generator, path), ganvas.sample(generator, [2], truncation=0.5)
    recipe = ganvas.Recipe(latent).interpolate(other, 1.0, inside=REGION)
    done = ganvas.paste_back(generator, recipe, None, tmp_path / "new.png")
    given = ganvas.paste_back(
        generator, ganvas.render(generator, recipe), None, tmp_path / "b.png", original=latent, region=REGION
    )
    assert done.path.read_bytes() == given.path.read_bytes()
    free = ganvas.paste_back(generator, recipe.interpolate(other, 0.5), None, tmp_path / "free.png")
    assert free.changed > done.changed  # one operation has no region


def test_detail_is_a_dial(tmp_path, generator):
    path = write_photo(tmp_path / "me.png", random_levels(48, 60, 3))
    latent, found = latent_of(generator, path), {}
    for detail in ("auto", 0.0, 1.0):
        done = ganvas.paste_back(
            generator, image(), None, tmp_path / f"{detail}.png", original=latent, region=REGION, detail=detail
        )
        found[detail] = done.detail, read_stored(done.path).levels
    assert (found[0.0][0], found[1.0][0]) == (0, 1)
    assert 0 < found["auto"][0] < 1
    assert (found[0.0][1] != found[1.0][1]).any()


def test_wrong_input_is_refused_with_what_to_do_and_leaves_no_file(tmp_path, generator):
    path = write_photo(tmp_path / "me.png", random_levels(48, 60, 3))
    other = tmp_path / "other.png"
    Image.new("RGB", (60, 48)).save(other)
    latent, target = latent_of(generator, path), tmp_path / "new.png"
    generated = ganvas.sample(generator, [1])
    many = replace(
        ganvas.sample(generator, [1, 2]),
        photo=PhotoOrigin(latent.photo.images.repeat(2, 1, 1, 1), latent.photo.frames.repeat(2, 1, 1)),
    )
    for arguments, options, error, said in (
        ((None, image(), path, target), {}, LatentError, "original="),
        ((generated, image(), path, target), {}, LatentError, "photo's latent"),
        ((many, image(), path, target), {}, LatentError, "one at a time"),
        ((replace(latent, source="a.png, b.png"), image(), None, target), {}, LatentError, "give the file"),
        ((replace(latent, source=""), image(), None, target), {}, LatentError, "give the file"),
        ((latent, image(), tmp_path / "gone.png", target), {}, ImageError, "No such file"),
        ((latent, image(), other, target), {}, ImageError, "not the photo that was inverted"),
        ((latent, image(32), path, target), {}, ImageError, "does not fit"),
        ((latent, image() * torch.nan, path, target), {}, ImageError, "not finite"),
        ((latent, image(), path, tmp_path / "new.gif"), {}, ImageError, "ends in .png"),
        ((latent, image(), path, target), {"detail": 2.0}, ganvas.GanvasError, "0 to 1"),
        ((latent, image(), path, target), {"detail": "all"}, ganvas.GanvasError, "auto"),
    ):
        with pytest.raises(error, match=said):
            ganvas.paste_back(generator, *arguments[1:], original=arguments[0], region=REGION, **options)
    assert {one.name for one in tmp_path.iterdir()} == {"me.png", "other.png"}


def test_a_region_off_the_photo_is_refused(tmp_path, generator):
    path = write_photo(tmp_path / "me.png", random_levels(48, 60, 3))
    picture, frame = read_photo_in_frame(
        path, 16, eyes=((0.02, 0.5), (0.12, 0.5)), eye_places=((0.7, 0.3), (0.95, 0.3))
    )
    latent = replace(latent_of(generator, path), photo=PhotoOrigin(picture, frame[None]))
    with pytest.raises(ImageError, match="off the photo"):
        ganvas.paste_back(
            generator,
            image(),
            None,
            tmp_path / "new.png",
            original=latent,
            region=ganvas.Region.box(0.2, 0.4, 0.4, 0.6),
        )


def test_the_source_of_one_of_several_photos_is_found_by_its_name(tmp_path, generator):
    paths = [
        write_photo(tmp_path / f"{name}.png", random_levels(48, 60, 3, seed=seed)) for seed, name in enumerate("ab")
    ]
    second = replace(latent_of(generator, paths[1]), source=f"{paths[0]}, {paths[1]}")
    ganvas.paste_back(generator, image(), None, tmp_path / "new.png", original=second, region=REGION)


def test_a_damaged_profile_is_taken_as_srgb_with_a_warning(tmp_path, generator):
    path = write_photo(tmp_path / "me.png", random_levels(48, 60, 4), profile=DISPLAY_P3[:200])
    latent = latent_of(generator, write_photo(tmp_path / "plain.png", random_levels(48, 60, 4)))
    with pytest.warns(UserWarning, match="taken as sRGB"):
        done = ganvas.paste_back(generator, image(), path, tmp_path / "new.png", original=latent, region=REGION)
    plain = ganvas.paste_back(generator, image(), None, tmp_path / "b.png", original=latent, region=REGION)
    assert (read_stored(done.path).levels == read_stored(plain.path).levels).all()
