"""What is drawn on the pictures of a drag, and which frames stay."""

import torch

from ganvas.drag.film import BLUE, RED, Reel, at_viewing_size, marked
from ganvas.images import to_bytes


def test_points_are_where_they_should_be_and_the_rest_stays():
    grey = torch.zeros(1, 3, 120, 240)
    drawn = to_bytes(marked(grey, [(0.25, 0.5)], [(0.75, 0.25)]))[0]
    assert tuple(drawn[60, 60].tolist()) == RED
    assert tuple(drawn[30, 180].tolist()) == BLUE
    assert drawn[45, 120].min() > 200  # the arrow, halfway
    assert (drawn[100:] == 128).all()
    assert torch.equal(marked(grey, [], []), grey)


def test_no_arrow_where_the_points_touch_and_the_handle_lies_on_top():
    drawn = to_bytes(marked(torch.zeros(1, 3, 100, 100), [(0.5, 0.5)], [(0.5, 0.5)]))[0]
    assert tuple(drawn[50, 50].tolist()) == RED
    assert not (drawn == torch.tensor(BLUE)).all(-1).any()


def test_viewing_sizes():
    assert [at_viewing_size(torch.zeros(1, 3, size, size)).shape[-1] for size in (64, 256, 512, 1024)] == [
        384, 512, 512, 512,
    ]  # fmt: skip


def test_a_reel_keeps_an_even_choice_and_the_last():
    for most in (2, 5, 8):
        for length in (1, 5, 9, 100):
            reel, painted = Reel(most), []

            def paint(number: int, painted: list[int] = painted) -> torch.Tensor:
                painted.append(number)
                return torch.full((1, 3, 1, 1), float(number))

            for number in range(length):
                reel.offer(lambda number=number: paint(number), last=number == length - 1)
            kept = reel.film()[:, 0, 0, 0].tolist()
            assert len(kept) <= most
            assert kept[-1] == length - 1
            assert kept == sorted(kept)
            assert len(painted) <= 4 * most + 4
            if length <= most:
                assert kept == list(range(length))
    assert Reel(0).frames == {}
