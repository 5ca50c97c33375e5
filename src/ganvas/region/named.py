"""Named regions of aligned faces. "left" is the left side of the picture, the person's right.

They fit most faces, not every one: draw a region of your own where a face is turned or laughs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ganvas.region.region import Region

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


def _from_centre(row: int, column: int, height: int, width: int) -> Region:
    """Turn a published box (centre, then size, in pixels at 256) into fractions; halves round down, as published."""
    top, left = row - height // 2, column - width // 2
    return Region.box(*(edge / FFHQ_RESOLUTION for edge in (left, top, left + width, top + height)))


FFHQ: Mapping[str, Region] = MappingProxyType({name: _from_centre(*box) for name, box in FFHQ_BOXES.items()})
"""Boxes for generators of faces aligned as in FFHQ (and MetFaces), at any resolution.

They are the published ones of ReSeFa (Zhu et al., ICML 2022; row and column of the centre, height, width at 256x256).
Changed: its "eyebrow" is called brows here, and its centre (126, 105) is read as (105, 126): the two numbers stand the
wrong way round there, which put that box on the eyes and off the middle of the face.
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
"""Regions for the bundled generator of aligned UTKFace faces at 64x64, measured on its average and single faces."""
