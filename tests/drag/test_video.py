"""Handles and targets drawn on images, and which frames a video keeps."""

from itertools import pairwise

import torch

from ganvas.drag.video import BLUE, RED, at_least_viewing_size, at_viewing_size, evenly, marked
from ganvas.images.pixels import to_bytes


def test_handles_targets_and_arrows_are_drawn_in_place_and_the_rest_stays():
    gray = torch.zeros(1, 3, 120, 240)
    drawn = to_bytes(marked(gray, [(0.25, 0.5)], [(0.75, 0.25)]))[0]
    assert tuple(drawn[60, 60].tolist()) == RED
    assert tuple(drawn[30, 180].tolist()) == BLUE
    assert drawn[45, 120].min() > 200  # the arrow, halfway
    assert (drawn[100:] == 128).all()
    assert torch.equal(marked(gray, [], []), gray)


def test_touching_points_have_no_arrow_and_the_handle_lies_on_top():
    drawn = to_bytes(marked(torch.zeros(1, 3, 100, 100), [(0.5, 0.5)], [(0.5, 0.5)]))[0]
    assert tuple(drawn[50, 50].tolist()) == RED
    assert not (drawn == torch.tensor(BLUE)).all(-1).any()


def test_images_are_shown_at_384_to_512_pixels():
    assert [at_viewing_size(torch.zeros(1, 3, size, size)).shape[-1] for size in (64, 256, 512, 1024)] == [
        384, 512, 512, 512,
    ]  # fmt: skip
    assert at_least_viewing_size(torch.zeros(1, 3, 1024, 1024)).shape[-1] == 1024


def test_handle_that_was_not_found_has_no_dot():
    drawn = to_bytes(marked(torch.zeros(1, 3, 100, 100), [None, (0.2, 0.2)], [(0.5, 0.5), (0.2, 0.8)]))[0]
    assert tuple(drawn[50, 50].tolist()) == BLUE
    assert tuple(drawn[20, 20].tolist()) == RED
    assert (drawn == torch.tensor(RED)).all(-1).nonzero().max() < 40


def test_videos_are_an_even_choice_with_the_first_and_the_last():
    for most in (2, 5, 60):
        for count in (1, 5, 9, 100, 301):
            kept = evenly(count, most)
            assert len(kept) == min(count, most)
            assert (kept[0], kept[-1]) == (0, count - 1)
            gaps = {later - former for former, later in pairwise(kept)}
            assert not gaps or (min(gaps) >= 1 and max(gaps) - min(gaps) <= 1)
    assert evenly(5, 0) == []
    assert evenly(5, 1) == [4]
