"""Named regions of aligned faces of people and animals, and of cars, churches and bedrooms.

"left" is the left side of the image (the person's right). The regions fit most faces, not every one: draw your own for
a face that is turned or laughs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ganvas.regions.region import Region

FFHQ_RESOLUTION = 256
FFHQ_BOXES = {
    "left_eye": (120, 95, 20, 38),
    "right_eye": (120, 159, 20, 38),
    "eyes": (120, 128, 20, 115),
    "nose": (142, 131, 40, 46),
    "mouth": (184, 127, 30, 70),
    "chin": (217, 130, 42, 110),
    "brows": (105, 126, 15, 118),
}


def _from_center(row: int, column: int, height: int, width: int) -> Region:
    """Turn a published box (center, then size, in pixels at 256) into fractions; halves round down, as published."""
    top, left = row - height // 2, column - width // 2
    return Region.box(*(edge / FFHQ_RESOLUTION for edge in (left, top, left + width, top + height)))


FFHQ: Mapping[str, Region] = MappingProxyType({name: _from_center(*box) for name, box in FFHQ_BOXES.items()})
"""Boxes for generators of faces aligned as in FFHQ (and MetFaces), at any resolution.

They are those published with ReSeFa (Zhu et al., ICML 2022; row and column of the center, height, width at 256x256).
Changed: its "eyebrow" is called brows here, and its center (126, 105) is read as (105, 126), because the published
order is swapped: it puts the box on the eyes and off the middle of the face.
"""

_LEFT_EYE = Region.box(0.18, 0.235, 0.40, 0.345)
_RIGHT_EYE = Region.box(0.60, 0.235, 0.83, 0.345)
_LEFT_BROW = Region.polygon(
    [(0.15, 0.20), (0.24, 0.13), (0.34, 0.13), (0.43, 0.19), (0.43, 0.24), (0.30, 0.215), (0.16, 0.235)]
)
_RIGHT_BROW = Region.polygon(
    [(0.85, 0.20), (0.77, 0.13), (0.67, 0.13), (0.57, 0.19), (0.57, 0.24), (0.70, 0.215), (0.85, 0.235)]
)

FACES: Mapping[str, Region] = MappingProxyType(
    {
        "eyes": _LEFT_EYE | _RIGHT_EYE,
        "left_eye": _LEFT_EYE,
        "right_eye": _RIGHT_EYE,
        "brows": _LEFT_BROW | _RIGHT_BROW,
        "nose": Region.polygon(
            [
                (0.45, 0.30),
                (0.56, 0.30),
                (0.60, 0.45),
                (0.66, 0.52),
                (0.62, 0.59),
                (0.40, 0.59),
                (0.35, 0.52),
                (0.41, 0.45),
            ]
        ),
        "mouth": Region.box(0.29, 0.62, 0.72, 0.81),
        "chin": Region.polygon([(0.28, 0.83), (0.73, 0.83), (0.69, 0.93), (0.60, 0.98), (0.42, 0.98), (0.32, 0.93)]),
        "forehead": Region.polygon([(0.24, 0.0), (0.77, 0.0), (0.80, 0.09), (0.74, 0.13), (0.26, 0.13), (0.20, 0.09)]),
    }
)
"""Regions for the bundled generator of aligned UTKFace faces, measured on its average and single faces."""

_RESEFA_BIGGAN = {
    "center_small": (120, 120, 80, 80),
    "center": (120, 120, 130, 130),
    "center_large": (120, 120, 200, 200),
    "left_side": (128, 64, 256, 128),
    "top_side": (64, 128, 128, 256),
}
BIGGAN: Mapping[str, Region] = MappingProxyType({name: _from_center(*box) for name, box in _RESEFA_BIGGAN.items()})
"""The boxes published with ReSeFa for BigGAN: areas of the image, not parts, since ImageNet's objects lie anywhere."""

_AFHQ = {
    "left_eye": ((26, 42, 46, 57), (25, 37, 45, 53), (23, 35, 45, 52), (23, 36, 46, 57)),
    "right_eye": ((54, 42, 74, 57), (55, 37, 75, 53), (55, 35, 77, 52), (54, 36, 77, 57)),
    "nose": ((40, 60, 60, 73), (36, 58, 64, 76), (38, 60, 62, 73), (37, 59, 63, 75)),
    "mouth": ((32, 70, 68, 84), (30, 74, 70, 91), (32, 72, 68, 88), (30, 71, 70, 89)),
    "forehead": ((36, 22, 64, 41), (34, 14, 66, 35), (34, 14, 66, 33), (34, 16, 66, 37)),
    "left_ear": ((12, 2, 40, 30), (2, 4, 32, 34), (8, 4, 36, 28), (5, 2, 38, 32)),
    "right_ear": ((60, 2, 88, 30), (68, 4, 98, 34), (64, 4, 92, 28), (62, 2, 95, 32)),
}
"""Left, top, right and bottom, in hundredths, of each part of a cat, of a dog, of a wild animal, and large enough for
all three.
"""


def _animal(number: int) -> Mapping[str, Region]:
    boxes = {name: Region.box(*(edge / 100 for edge in edges[number])) for name, edges in _AFHQ.items()}
    eyes, ears = boxes["left_eye"] | boxes["right_eye"], boxes["left_ear"] | boxes["right_ear"]
    return MappingProxyType({"eyes": eyes, **boxes, "ears": ears})


AFHQ_CAT, AFHQ_DOG, AFHQ_WILD, AFHQ = (_animal(number) for number in range(4))
"""Boxes for the three classes of AFHQ, drawn over 16 cats, 8 dogs and 8 wild animals of it, and for generators of all
three. Ears vary most.
"""

_CAT_FACE = Region.polygon(
    [
        (0.07, 0.30),
        (0.10, 0.03),
        (0.24, 0.06),
        (0.38, 0.20),
        (0.62, 0.20),
        (0.76, 0.06),
        (0.90, 0.03),
        (0.93, 0.30),
        (0.91, 0.60),
        (0.80, 0.82),
        (0.64, 0.95),
        (0.36, 0.95),
        (0.20, 0.82),
        (0.09, 0.60),
    ]
)
CATS: Mapping[str, Region] = MappingProxyType(
    {**AFHQ_CAT, "chin": Region.box(0.36, 0.84, 0.64, 0.94), "background": ~_CAT_FACE}
)
"""Regions for the bundled generator of cats, drawn over 18 test images of AFHQ; the background lies around most faces
and includes the fur of the neck.
"""

CAR: Mapping[str, Region] = MappingProxyType(
    {
        "wheels": Region.box(0.10, 0.50, 0.40, 0.74) | Region.box(0.60, 0.50, 0.90, 0.74),
        "body": Region.box(0.08, 0.42, 0.92, 0.68),
        "window": Region.box(0.26, 0.30, 0.74, 0.44),
    }
)
CHURCH: Mapping[str, Region] = MappingProxyType(
    {
        "sky": Region.box(0.0, 0.0, 1.0, 0.26),
        "tower": Region.box(0.36, 0.08, 0.64, 0.56),
        "doors": Region.box(0.34, 0.66, 0.66, 0.92),
    }
)
BEDROOM: Mapping[str, Region] = MappingProxyType(
    {
        "floor": Region.box(0.0, 0.78, 1.0, 1.0),
        "wall": Region.box(0.0, 0.08, 1.0, 0.42),
        "bed": Region.box(0.20, 0.50, 0.86, 0.84),
        "window": Region.box(0.06, 0.12, 0.34, 0.50),
    }
)
"""Estimates of where these parts lie in many images of LSUN, not measured. LSUN is not aligned: draw a region of your
own on the image that you edit.
"""

SETS: Mapping[str, Mapping[str, Region]] = MappingProxyType(
    {
        "faces": FACES,
        "cats": CATS,
        "ffhq": FFHQ,
        "afhq": AFHQ,
        "afhq_cat": AFHQ_CAT,
        "afhq_dog": AFHQ_DOG,
        "afhq_wild": AFHQ_WILD,
        "car": CAR,
        "church": CHURCH,
        "bedroom": BEDROOM,
        "biggan": BIGGAN,
    }
)
"""The sets by the names that the zoo and ``ganvas models convert --regions`` use."""
