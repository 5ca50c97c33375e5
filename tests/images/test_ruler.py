"""The ruler beside an image: its image is untouched but for the lines, its ticks stand where the fractions are."""

import torch

from ganvas.images.ruler import MARGIN, with_ruler


def test_ticks_stand_at_fiftieths_and_the_image_at_its_place():
    image = torch.full((1, 3, 101, 201), 0.25)
    page = with_ruler(image)
    assert page.shape == (1, 3, 101 + MARGIN + MARGIN // 2, 201 + MARGIN + MARGIN // 2)
    placed = page[0, 0, MARGIN : MARGIN + 101, MARGIN : MARGIN + 201]
    assert ((placed - 0.25).abs() < 1 / 255).float().mean() > 0.85
    ticks = (page[0, 0, MARGIN - 4] < 0).nonzero().flatten() - MARGIN
    assert ticks[ticks >= 0].tolist() == [round(step * 4) for step in range(51)]
    assert (page[0, :, :, -2:] > 0.99).all()
