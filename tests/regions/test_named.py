"""Named regions lie in the image, on their own sides, and apart where they should."""

import pytest

from ganvas.regions.named import CATS, FACES, SETS

ALL = {**SETS, "faces": FACES, "cats": CATS}


@pytest.mark.parametrize("name", ALL)
def test_every_region_has_a_place_in_small_images(name: str):
    for region in ALL[name].values():
        mask = region.mask(64, 64)
        assert 0 < float(mask.mean()) < 0.9


@pytest.mark.parametrize("name", ["faces", "cats", "ffhq", "afhq", "afhq_cat", "afhq_dog", "afhq_wild"])
def test_left_is_the_left_of_the_image_and_pairs_are_their_parts(name: str):
    parts = ALL[name]
    for part in ("eye", "ear"):
        if f"left_{part}" in parts:
            left, right = (parts[f"{side}_{part}"].mask(64, 64) for side in ("left", "right"))
            assert float(left[..., 34:].max()) == float(right[..., :30].max()) == 0
            both = parts[f"{part}s"].mask(64, 64)
            assert float((both - left.maximum(right)).clamp_min(0).mean()) < 0.05


def test_the_background_of_cats_is_what_no_part_of_the_face_is():
    background = CATS["background"].mask(128, 128)
    for name, region in CATS.items():
        if name != "background":
            shared = (background * region.mask(128, 128)).sum() / region.mask(128, 128).sum()
            # Between the ears there is background, which their boxes take in.
            assert float(shared) < (0.35 if "ear" in name else 0.02), name
