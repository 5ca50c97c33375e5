"""Heads of cats found in photos: how windows move, and what the bundled network finds."""

import math
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.errors import CheckpointError, ImageError
from ganvas.images import heads
from ganvas.images.head_network import HeadArchitecture, HeadNetwork, load_head_network, save_head_network
from ganvas.images.heads import CAT_EYES, find_cats, find_heads, first_windows, moved_by, window_images
from ganvas.images.photos import Point, square_by_eyes
from ganvas.images.pixels import resize, write_image
from ganvas.regions.eyes import eye_places_of
from ganvas.regions.named import CATS

WIDTH, HEIGHT = 512, 384
pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = HeadArchitecture(widths=(2, 3), narrow=2, hidden=4)


def coordinates(width: int = WIDTH, height: int = HEIGHT) -> torch.Tensor:
    """A photo [1, 3, height, width] whose red and green say where a pixel is."""
    y, x = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
    return torch.stack([x, y, 0 * x])[None]


class Oracle(HeadNetwork):
    """Knows the frame of the one head, and reads from the pixels of `coordinates` where a window lies."""

    def __init__(self, frame: tuple[float, float, float, float]) -> None:
        super().__init__(SMALL)
        self.frame = torch.tensor(frame)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        size = torch.tensor([WIDTH, HEIGHT])
        first, last = (windows[:, :2, row, 31:33].mean(2) * size for row in (24, 39))
        center = windows[:, :2, 31:33, 31:33].mean((2, 3)) * size
        down = torch.complex(*((last - first) * 64 / 15).T)  # a side of the window, from its top to its bottom
        turn = down * complex(0, -1)
        x, y, log_side, angle = self.frame
        away = (torch.complex(x, y) - torch.complex(*center.T)) / turn
        scale, rest = log_side - turn.abs().log(), angle - turn.angle()
        # It sees the head only roughly from afar, and not at all from further.
        error = 0.1 * away
        seen = (away.abs() < 0.5) & (scale.abs() < 0.5)
        return torch.stack([seen * 8.0 - 4, (away - error).real, (away - error).imag, 0.9 * scale, 0.9 * rest], dim=1)


def test_windows_show_their_part_of_the_photo():
    pyramid = [coordinates(), torch.nn.functional.avg_pool2d(coordinates(), 2)]
    windows = torch.tensor([(200.0, 150.0, math.log(100), 0.3), (256.0, 192.0, math.log(250), -0.5)])
    images = window_images(pyramid, windows)
    for image, (x, y, log_side, angle) in zip(images, windows.tolist(), strict=True):
        middle = image[:2, 31:33, 31:33].mean((1, 2)) * torch.tensor([WIDTH, HEIGHT])
        assert middle.tolist() == pytest.approx([x, y], abs=0.2)
        right = (image[:2, 31:33, 40].mean(1) - image[:2, 31:33, 23].mean(1)) * torch.tensor([WIDTH, HEIGHT]) * 64 / 17
        assert right.tolist() == pytest.approx(
            [math.exp(log_side) * math.cos(angle), math.exp(log_side) * math.sin(angle)], abs=2
        )


def test_beyond_the_edges_a_window_is_mirrored():
    photo = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    (image,) = window_images([photo], torch.tensor([(0.0, 32.0, math.log(64), 0.0)]))
    assert torch.allclose(image[:, :, :32].flip(2), image[:, :, 32:], atol=1e-5)
    assert torch.allclose(image[:, :, 32:], photo[0, :, :, :32], atol=1e-5)


def test_moves_are_relative_to_the_window():
    window, move = torch.tensor([(10.0, 20.0, math.log(8), math.pi / 2)]), torch.tensor([(0.5, 0.0, math.log(2), 0.1)])
    expected = torch.tensor([(10.0, 24.0, math.log(16), math.pi / 2 + 0.1)])
    assert torch.allclose(moved_by(window, move), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(512, 512), (512, 200), (90, 512)])
def test_first_windows_frame_heads_of_all_sizes_anywhere(size: tuple[int, int]):
    """A head whose middle is in the photo, away from its edges, has a first window near it and of its size."""
    windows = first_windows(*size)
    for log_side in torch.linspace(math.log(512 / 5.3), math.log(512), 9):
        inset = min(0.3 * float(log_side.exp()), min(size) / 2)
        x = inset + (size[0] - 2 * inset) * torch.rand(40, generator=torch.Generator().manual_seed(1))
        y = inset + (size[1] - 2 * inset) * torch.rand(40, generator=torch.Generator().manual_seed(2))
        away = (windows[:, None, :2] - torch.stack([x, y], dim=1)).abs() / windows[:, None, 2:3].exp()
        near = (away.amax(2) < 0.16) & ((windows[:, None, 2] - log_side).abs() < 0.26)
        assert near.any(0).all()


@pytest.mark.parametrize("frame", [(300.0, 200.0, math.log(130), 0.3), (150.0, 180.0, math.log(330), -0.5)])
def test_windows_arrive_at_the_head(frame: tuple[float, float, float, float]):
    found, logits = find_heads(coordinates(), Oracle(frame))
    assert len(found) == 1
    assert float(logits[0]) == pytest.approx(4)
    assert found[0].tolist() == pytest.approx(frame, abs=1.5)


def test_a_network_that_sees_nothing_finds_nothing():
    found, logits = find_heads(coordinates(), Oracle((9e9, 0.0, 0.0, 0.0)))
    assert (found.shape, logits.shape) == ((0, 4), (0,))


def test_a_stored_network_is_the_same_in_half_precision(tmp_path: Path):
    network = HeadNetwork(SMALL).eval()
    again = load_head_network(save_head_network(tmp_path / "network.safetensors", network, {}))
    windows = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(again(windows), network(windows), atol=1e-2)
    save_head_network(tmp_path / "network.safetensors", HeadNetwork(SMALL), {})
    other = HeadNetwork(HeadArchitecture((2, 4), 2, 4))
    other.architecture = SMALL
    save_head_network(tmp_path / "damaged.safetensors", other, {})
    with pytest.raises(CheckpointError, match="damaged head network"):
        load_head_network(tmp_path / "damaged.safetensors")
    with pytest.raises(CheckpointError, match="no head network"):
        HeadArchitecture((2, 0))


def test_eyes_of_the_finder_are_those_of_the_cats_regions():
    assert torch.allclose(torch.tensor(eye_places_of(CATS)), torch.tensor(CAT_EYES), atol=2e-3)


@pytest.fixture(scope="module")
def cats() -> torch.Tensor:
    """Three generated cats, 128 pixels wide."""
    generator = ganvas.load("cats")
    return generator.synthesize(ganvas.sample(generator, [2, 5, 9], truncation=0.5))


def frame_of(eyes: tuple[Point, Point], width: int, height: int) -> tuple[complex, complex]:
    """The center and the turned side, in pixels, of the frame in which the eyes of a photo are a cat's."""
    frame = square_by_eyes(width, height, eyes, CAT_EYES)
    size = torch.tensor([[width], [height]])
    middle, right = (
        (frame[:, :2] @ torch.tensor(v).double() + frame[:, 2])[:, None] * size for v in ([0.5, 0.5], [1.5, 0.5])
    )
    return complex(*middle.flatten().tolist()), complex(*(right - middle).flatten().tolist())


def test_generated_cats_stay_nearly_as_they_are(cats: torch.Tensor, tmp_path: Path):
    for row in range(len(cats)):
        (face,) = find_cats(write_image(tmp_path / f"{row}.png", cats[row : row + 1]))
        center, side = frame_of(face.eyes, 128, 128)
        assert abs(center - complex(64, 64)) < 0.1 * 128
        assert abs(side / 128 - 1) < 0.2


def test_a_small_rotated_cat_on_a_page_is_found(cats: torch.Tensor, tmp_path: Path):
    from PIL import Image

    tile = Image.open(write_image(tmp_path / "cat.png", cats[:1])).rotate(
        15, Image.Resampling.BICUBIC, fillcolor="gray"
    )
    page = Image.new("RGB", (480, 300), "gray")
    page.paste(tile.crop((10, 10, 118, 118)), (310, 90))
    page.save(tmp_path / "page.png")
    (face,) = find_cats(tmp_path / "page.png")
    center, side = frame_of(face.eyes, 480, 300)
    assert abs(center - complex(364, 144)) < 0.15 * 128
    assert abs(abs(side) / 128 - 1) < 0.25
    assert math.degrees(math.atan2(side.imag, side.real)) == pytest.approx(-15, abs=9)


def test_of_two_cats_the_larger_is_first(cats: torch.Tensor, tmp_path: Path):
    page = torch.zeros(1, 3, 256, 512)
    page[:, :, 20:148, 20:148] = cats[1:2]
    page[:, :, 20:220, 290:490] = resize(cats[2:3], 200, 200)
    first, second = find_cats(write_image(tmp_path / "page.png", page))
    assert first.width > second.width
    assert first.left_eye[0] > 0.5 > second.right_eye[0]


def test_where_there_is_no_cat_none_is_found(tmp_path: Path):
    generator = ganvas.load("faces")
    image = resize(generator.synthesize(ganvas.sample(generator, [4], truncation=0.5)), 256, 256)
    assert find_cats(write_image(tmp_path / "face.png", image)) == []
    assert find_cats(write_image(tmp_path / "ramp.png", coordinates(200, 100))) == []
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ImageError, match=r"text\.png"):
        find_cats(tmp_path / "text.png")


def test_a_head_whose_eyes_are_not_in_the_photo_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    frames = torch.tensor([(10.0, 200.0, math.log(300), 0.0), (250.0, 250.0, math.log(200), 0.0)])
    monkeypatch.setattr(heads, "find_heads", lambda photo, network: (frames, torch.tensor([9.0, 3.0])))
    (face,) = find_cats(write_image(tmp_path / "photo.png", coordinates(512, 512)))
    assert not face.certain
    assert face.left_eye == pytest.approx((222 / 512, 249 / 512))


@pytest.mark.slow
def test_displaced_cats_of_the_test_set_are_found(shared: Path, tmp_path: Path):
    """The command of docs/results/alignment.md has all 200, and more ways to put them on pages."""
    import numpy as np
    from studies.alignment.cats import PLACEMENTS, errors, frame_of, place

    from ganvas.images.datasets import open_images

    known, found, random = [], [], np.random.RandomState(1)
    images, pages = (open_images(shared / "data" / f"{name}-test.zip", 128) for name in ("afhq-cat-128", "cars-128x96"))
    for row in images.spread(20):
        photo, frame = place(images.batch(np.array([row])), pages.batch(np.array([row])), PLACEMENTS[1], random)
        faces = find_cats(write_image(tmp_path / "photo.png", photo))
        known.append(frame)
        found.append(frame_of(faces[0].eyes) if faces else (9, 9))
    center, scale, angle = errors(np.array(known), np.array(found))
    assert ((center < 0.25) & (scale < 0.25) & (angle < 25)).sum() >= 17
