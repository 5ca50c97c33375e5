"""Regions: laws of the combinations, splitting, descriptions, files, text, named tables, and what is refused."""

import json
import operator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganvas.errors import ImageError, RegionError
from ganvas.regions.mask_files import parse_labels
from ganvas.regions.named import FACES, FFHQ
from ganvas.regions.region import Region

BOX = Region.box(0.11, 0.2, 0.63, 0.71)
TRIANGLE = Region.polygon([(0.3, 0.1), (0.95, 0.52), (0.2, 0.9)])
STROKE = Region.brush([(0.2, 0.2), (0.8, 0.5)], 0.1)
SOFT = Region.from_mask(torch.rand(1, 12, 12, generator=torch.Generator().manual_seed(0)))
REGIONS = [BOX, TRIANGLE, STROKE, SOFT, BOX.feather(0.1)]


@pytest.mark.parametrize("region", [BOX, TRIANGLE, STROKE, FACES["brows"], FFHQ["eyes"]])
def test_the_mask_of_a_drawn_region_is_the_average_of_the_finer_one(region: Region) -> None:
    fine = torch.nn.functional.avg_pool2d(region.mask(48, 64), 2)
    torch.testing.assert_close(fine, region.mask(24, 32), atol=0.02 if region is STROKE else 1e-6, rtol=0)


def test_mask_area_is_exact_in_float32() -> None:
    assert TRIANGLE.mask(37, 53).double().mean().item() == pytest.approx(0.281, rel=1e-6)
    assert BOX.mask(37, 53).double().mean().item() == pytest.approx(0.52 * 0.51, rel=1e-6)
    assert BOX.mask(37, 53).dtype == torch.float32


@pytest.mark.parametrize("a", REGIONS)
@pytest.mark.parametrize("b", REGIONS)
def test_union_intersection_and_complement_obey_the_laws_of_sets(a: Region, b: Region) -> None:
    def mask(region: Region) -> torch.Tensor:
        return region.mask(12, 12)

    assert torch.equal(mask(a | b), mask(b | a))
    assert torch.equal(mask(a | b), torch.maximum(mask(a), mask(b)))
    assert torch.equal(mask(a & b), torch.minimum(mask(a), mask(b)))
    assert torch.equal(mask(~(a | b)), mask(~a & ~b))
    assert torch.equal(mask(a - b), mask(a & ~b))
    assert ~~a == a
    assert torch.equal(mask(a | (b & a)), mask(a))
    assert (a | b) | a == a | (b | a)
    torch.testing.assert_close(mask(a) + mask(~a), torch.ones(1, 12, 12))


@pytest.mark.parametrize("region", REGIONS)
def test_foreground_and_background_sum_to_one(region: Region) -> None:
    foreground, background = region.split(12, 12)
    assert torch.equal(foreground + background, torch.ones(1, 12, 12))
    assert torch.equal(foreground, region.mask(12, 12))


def test_the_ignore_band_belongs_to_neither_mask() -> None:
    foreground, background = Region.box(0.25, 0.25, 0.75, 0.75).split(40, 40, ignore_band=0.1)
    ignored = 1 - foreground - background
    assert foreground[0, 20].tolist() == [0] * 10 + [1] * 20 + [0] * 10
    assert ignored[0, 20].tolist() == [0] * 6 + [1] * 4 + [0] * 20 + [1] * 4 + [0] * 6


@settings(max_examples=25)
@given(st.floats(0.001, 0.3), st.floats(0.001, 0.3))
def test_a_wider_ignore_band_leaves_less_background(one: float, other: float) -> None:
    narrow, wide = (TRIANGLE.split(16, 16, ignore_band=ignore_band)[1] for ignore_band in sorted((one, other)))
    assert bool((wide <= narrow).all())
    assert bool((narrow <= TRIANGLE.split(16, 16)[1]).all())


def test_feathering_keeps_area_and_range_and_hardly_knows_resolution() -> None:
    soft = BOX.feather(0.2)
    assert soft.mask(32, 32).mean().item() == pytest.approx(BOX.mask(32, 32).mean().item(), rel=1e-5)
    assert 0 <= soft.mask(32, 32).min().item() < soft.mask(32, 32).max().item() <= 1
    torch.testing.assert_close(
        torch.nn.functional.avg_pool2d(soft.mask(128, 128), 4), soft.mask(32, 32), atol=0.01, rtol=0
    )
    assert BOX.feather(0) is BOX


def test_feathered_edge_is_one_half_and_falls_within_the_radius() -> None:
    row = Region.box(0, 0, 0.5, 1).feather(0.2).mask(100, 100)[0, 50]
    assert row[49:51].mean().item() == pytest.approx(0.5, abs=1e-6)
    assert row[30].item() == pytest.approx(0.975, abs=0.005)
    assert row[69].item() == pytest.approx(0.025, abs=0.005)


@pytest.mark.parametrize(
    "region", [BOX, TRIANGLE, STROKE, ~BOX, BOX | TRIANGLE, (BOX & TRIANGLE) - STROKE, (~BOX).feather(0.03)]
)
def test_description_gives_the_same_region_back(region: Region) -> None:
    again = Region.from_description(json.loads(json.dumps(region.describe())))
    assert again == region
    assert hash(again) == hash(region)
    assert str(again) == str(region)


def test_description_and_mask_give_the_same_masked_region_back() -> None:
    named = Region.from_mask(torch.eye(5), origin="eye.png")
    assert named.describe() == {"kind": "mask", "shape": [5, 5], "origin": "eye.png"}
    assert Region.from_description(named.describe(), named.mask(5, 5)) == named
    combined = BOX | named.feather(0.2)
    again = Region.from_description(combined.describe(), combined.mask(10, 10))
    assert torch.equal(again.mask(10, 10), combined.mask(10, 10))
    with pytest.raises(RegionError, match="give mask="):
        Region.from_description(combined.describe())


def nested(depth: int) -> dict:
    description = BOX.describe()
    for _ in range(depth):
        description = {"kind": "complement", "of": description}
    return description


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"kind": "circle"},
        {"kind": ["box"]},
        {"kind": "box", "left": 0.1},
        {"kind": "box", "left": None, "top": 0, "right": 0.5, "bottom": 0.5},
        {"kind": "polygon", "points": 3},
        {"kind": "polygon", "points": [[0.1, 0.2, 0.3]]},
        {"kind": "union", "parts": []},
        {"kind": "union", "parts": 5},
        {"kind": "complement", "of": "mouth"},
        nested(5000),
    ],
)
def test_bad_descriptions_are_refused(description: dict) -> None:
    with pytest.raises(RegionError):
        Region.from_description(description)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0.5, 0.2, 0.4, 0.8), "right = 0.4 must be greater than left = 0.5"),
        ((0.5, 0.2, 0.5, 0.8), "empty"),
        ((0.1, 0.8, 0.4, 0.2), "bottom = 0.2 must be greater"),
        ((0.0, 0.0, 1.0, 1.0), "whole image"),
        ((-0.1, 0.0, 0.5, 1.0), "left edge"),
        ((0.1, -0.1, 0.5, 1.0), "top edge"),
        ((0.1, 0.0, 1.5, 1.0), "right edge"),
        ((0.1, 0.0, 0.5, 1.1), "bottom edge"),
        ((20, 30, 60, 50), "pixel numbers"),
        ((float("nan"), 0, 0.5, 0.5), "not a number"),
        ((0.0, 0.0, float("inf"), 0.5), "not a number"),
    ],
)
def test_bad_boxes_are_refused(box: tuple, message: str) -> None:
    with pytest.raises(RegionError, match=message):
        Region.box(*box)


@pytest.mark.parametrize("other", ["mouth", [0.1, 0.2, 0.3, 0.4], None, torch.ones(4, 4)])
def test_combining_a_region_with_anything_else_is_a_region_error(other: object) -> None:
    for combine in (operator.or_, operator.and_, operator.sub):
        with pytest.raises(RegionError, match=f"you gave {type(other).__name__}"):
            combine(BOX, other)


def test_bad_polygons_and_strokes_are_refused() -> None:
    corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    for points, message in [
        (corners[:2], "3 to"),
        ([(0.1, 0.1), (0.2, 0.2), (0.4, 0.4)], "one line"),
        (corners, "whole image"),
        ([*corners[:3], (0.5, 1.2)], "bottom edge"),
        ([(0.1, 0.1), (0.2, float("nan")), (0.4, 0.4)], "not a number"),
        ([(0.1, 0.1, 0.1)] * 3, "3 numbers"),
        ([(0.1, 0.1)] * 20_000, "you gave 20000"),
        (np.random.default_rng(0).random((1000, 2)).tolist(), "crosses itself"),
    ]:
        with pytest.raises(RegionError, match=message):
            Region.polygon(points)
    for points, radius, message in [
        ([], 0.1, "you gave 0"),
        ([(0.5, 1.5)], 0.1, "bottom edge"),
        ([(0.5, 0.5)], 0.0, "radius is 0"),
        ([(0.5, 0.5)], float("nan"), "radius is nan"),
    ]:
        with pytest.raises(RegionError, match=message):
            Region.brush(points, radius)
    with pytest.raises(RegionError, match="radius is -1"):
        BOX.feather(-1)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(4, 4), "empty"),
        (torch.ones(4, 4), "whole image"),
        (torch.full((4, 4), torch.nan), "give finite numbers"),
        (torch.arange(256).reshape(16, 16), "divide 8-bit values by 255"),
        (torch.eye(4) * 12, "choose labels by Region.from_labels"),
        (torch.eye(4) / 255, "at most 0.0039, where 1 is inside: were values of 0 and 1 divided by 255"),
        (-torch.eye(4), "from -1 to"),
        (torch.rand(3, 4, 4), r"\[3, 4, 4\]"),
        (torch.rand(4), r"\[4\]"),
        (torch.rand(0, 4), "mask must be a tensor"),
    ],
)
def test_bad_masks_are_refused(mask: torch.Tensor, message: str) -> None:
    with pytest.raises(RegionError, match=message):
        Region.from_mask(mask)


def test_a_mask_fits_images_of_its_aspect_only() -> None:
    wide = Region.from_mask(torch.rand(667, 1000) / 2, origin="wide.png")
    assert wide.mask(43, 64).shape == (1, 43, 64)
    with pytest.raises(RegionError, match=r"wide.png of 1000x667 pixels does not fit an image of 64x64"):
        wide.mask(64, 64)


def test_a_mask_is_a_copy() -> None:
    values = torch.eye(4)
    region = Region.from_mask(values)
    values.zero_()
    assert torch.equal(region.mask(4, 4)[0], torch.eye(4))
    assert torch.equal(Region.from_mask(torch.eye(4).bool()).mask(4, 4)[0], torch.eye(4))


def test_split_refuses_empty_and_full_masks_at_the_size() -> None:
    with pytest.raises(RegionError, match="empty at 8x8"):
        Region.box(0.5, 0.5, 0.501, 0.501).split(8, 8)
    with pytest.raises(RegionError, match="leaves no background"):
        (Region.box(0, 0, 0.6, 1) | Region.box(0.4, 0, 1, 1)).split(10, 10)
    with pytest.raises(RegionError, match=r"ignore band of 0\.5"):
        BOX.split(16, 16, ignore_band=0.5)
    with pytest.raises(RegionError, match="ignore band, -1"):
        BOX.split(16, 16, ignore_band=-1)
    with pytest.raises(RegionError, match="at least one pixel"):
        BOX.mask(0, 5)


def save(values: np.ndarray, path: Path, mode: str | None = None) -> Path:
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path)
    return path


def test_mask_files_keep_soft_values(tmp_path: Path) -> None:
    gray = np.arange(0, 256, 17, dtype=np.uint8).reshape(4, 4)
    wanted = torch.from_numpy(gray / 255).float()
    assert torch.equal(Region.from_mask_file(save(gray, tmp_path / "gray.png")).mask(4, 4)[0], wanted)
    color = np.repeat(gray[..., None], 3, axis=2)
    assert torch.equal(Region.from_mask_file(save(color, tmp_path / "color.png")).mask(4, 4)[0], wanted)
    painted = np.dstack([np.full((4, 4, 3), 77, np.uint8), gray])
    assert torch.equal(Region.from_mask_file(save(painted, tmp_path / "alpha.png")).mask(4, 4)[0], wanted)
    opaque = np.dstack([color, np.full((4, 4), 255, np.uint8)])
    assert torch.equal(Region.from_mask_file(save(opaque, tmp_path / "opaque.png")).mask(4, 4)[0], wanted)
    deep = np.array([[1, 300], [30000, 65535]], dtype=np.uint16)
    torch.testing.assert_close(
        Region.from_mask_file(save(deep, tmp_path / "deep.png")).mask(2, 2)[0], torch.tensor(deep / 65535).float()
    )


def test_bad_mask_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_bytes(b"no image")
    for path, message in [(text, "Cannot read"), (tmp_path / "none.png", "No such file"), (tmp_path, "Is a directory")]:
        with pytest.raises(ImageError, match=message):
            Region.from_mask_file(path)
    with pytest.raises(ImageError, match="32 bits"):
        Region.from_mask_file(save(np.ones((2, 2), np.float32), tmp_path / "float.tiff"))
    whole = save(np.array([[0, 9], [4, 10]], np.uint8), tmp_path / "cut.png").read_bytes()
    text.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="it is damaged"):
        Region.from_mask_file(text)


def test_labels_are_whole_numbers_that_the_map_holds(tmp_path: Path) -> None:
    label_map = np.array([[0, 1], [10, 300]])
    assert Region.from_labels(label_map, "10").mask(2, 2)[0].tolist() == [[0, 0], [1, 0]]
    assert Region.from_labels(label_map, [0, 300]).mask(2, 2)[0].tolist() == [[1, 0], [0, 1]]
    deep = save(label_map.astype(np.uint16), tmp_path / "deep.png")
    assert Region.from_labels(deep, 300).mask(2, 2)[0].tolist() == [[0, 0], [0, 1]]
    palette = Image.new("P", (2, 2))
    palette.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    palette.putdata([0, 1, 2, 2])
    palette.save(tmp_path / "palette.png")
    assert Region.from_labels(tmp_path / "palette.png", [2]).mask(2, 2)[0].tolist() == [[0, 0], [1, 1]]
    with pytest.raises(RegionError, match=r"Label 2, 5 is not in the label map; choose from 0, 1, 10, 300"):
        Region.from_labels(label_map, "1,2,5")
    with pytest.raises(ImageError, match="not a label map"):
        Region.from_labels(save(np.eye(3, dtype=np.uint8)[None], tmp_path / "color.png"), 1)
    for labels in ("", "a", "1,,2", "1.5"):
        with pytest.raises(RegionError, match="whole numbers"):
            parse_labels(labels)
    with pytest.raises(RegionError, match="at least one"):
        parse_labels([])


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("left_eye", (110, 130), (76, 114)),
        ("right_eye", (110, 130), (140, 178)),
        ("eyes", (110, 130), (71, 186)),
        ("nose", (122, 162), (108, 154)),
        ("mouth", (169, 199), (92, 162)),
        ("chin", (196, 238), (75, 185)),
        ("brows", (98, 113), (67, 185)),
    ],
)
def test_ffhq_boxes_have_the_published_pixels_at_256_and_1024(name: str, rows: tuple, columns: tuple) -> None:
    for scale in (1, 4):
        wanted = torch.zeros(1, 256 * scale, 256 * scale)
        wanted[:, rows[0] * scale : rows[1] * scale, columns[0] * scale : columns[1] * scale] = 1
        assert torch.equal(FFHQ[name].mask(256 * scale, 256 * scale), wanted)


def test_parts_of_the_bundled_faces_lie_apart_and_in_order() -> None:
    parts = ["forehead", "brows", "eyes", "nose", "mouth", "chin"]
    masks = torch.cat([FACES[name].mask(64, 64) for name in parts]).double()
    heights = (masks.sum(dim=2) * torch.arange(64.0)).sum(dim=1) / masks.sum(dim=(1, 2))
    assert torch.equal(heights, heights.sort().values)
    assert masks.sum(dim=0).max().item() <= 1 + 1e-6
    assert FACES["left_eye"].mask(64, 64)[..., 32:].sum() == 0
    assert FACES["right_eye"].mask(64, 64)[..., :32].sum() == 0


def test_a_mask_of_very_many_pixels_is_refused_before_it_is_read(tmp_path: Path) -> None:
    Image.new("L", (5000, 4000), 255).save(tmp_path / "large.png")
    with pytest.raises(ImageError, match="5000x4000"):
        Region.from_mask_file(tmp_path / "large.png")


def test_a_grown_region_holds_what_is_near_and_a_shrunk_one_what_is_deep():
    box = Region.box(0.25, 0.25, 0.75, 0.75)
    assert box.grow(0) is box
    grown, shrunk = box.grow(0.125).mask(32, 32)[0], box.grow(-0.125).mask(32, 32)[0]
    assert grown[16].nonzero().flatten().tolist() == list(range(4, 28))
    assert grown[4, 4] == 0  # round at the corners
    assert shrunk[16].nonzero().flatten().tolist() == list(range(12, 20))
    again = Region.from_description(box.grow(-0.125).describe())
    assert torch.equal(again.mask(32, 32)[0], shrunk)
    with pytest.raises(RegionError, match="growth"):
        box.grow(1.5)
