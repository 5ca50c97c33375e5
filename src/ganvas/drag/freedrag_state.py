"""What FreeDrag settles, and what a step of it hands to the next; the steps themselves are in `freedrag.py`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.drag.state import Settings, State


@dataclass(frozen=True)
class FreeDrag(Settings):
    """Settings: the ``scale`` l of discrepancies, in units of the features; the longest ``distance`` d of one advance
    and the half side ``radius`` of a patch, in pixels of the image; optimization steps a sub-motion.
    """

    radius: float = 3.0
    distance: float = 12.0
    scale: float = 0.3
    inner_steps: int = 5


@dataclass(frozen=True)
class FreeDragState(State):
    """The anchors are ``points``; their ``templates`` [k, c, 3, 3]; the discrepancies [k] that count as l for each of
    them (``goals``) and with which the sub-motion was ``entered``; how many optimization steps of it are ``taken``;
    where the line to each target was ``begun`` [k, 2], and how far, in pixels, each content was ``behind`` when its
    anchor arrived without it (inf before that).
    """

    templates: Tensor = torch.empty(0)
    entered: Tensor = torch.empty(0)
    goals: Tensor = torch.empty(0)
    begun: Tensor = torch.empty(0)
    behind: Tensor = torch.empty(0)
    taken: int = 0
