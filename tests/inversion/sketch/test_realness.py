"""How real candidates are: whatever a function of the user's gives is checked."""

from collections.abc import Callable

import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.inversion.sketch.realness import measure_realness

IMAGES = torch.zeros(3, 3, 4, 4)


def test_each_image_has_a_number():
    assert measure_realness(lambda images: torch.arange(len(images)).float(), IMAGES) == [0, 1, 2]


@pytest.mark.parametrize(
    ("realness", "given"),
    [
        (lambda images: None, "NoneType"),
        (lambda images: [0.0] * len(images), "list"),
        (lambda images: images.mean(), r"shape \[\]"),
        (lambda images: images[:2].mean(dim=(1, 2, 3)), r"shape \[2\]"),
        (lambda images: images.mean(dim=(1, 2, 3)) / 0, r"shape \[3\]"),
    ],
)
def test_anything_else_is_refused(realness: Callable, given: str):
    with pytest.raises(GanvasError, match=rf"\[3\] of finite numbers for 3 images; it gave {given}"):
        measure_realness(realness, IMAGES)
