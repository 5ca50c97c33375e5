"""The settings of the study of drags."""

from dataclasses import dataclass

from ganvas.errors import GanvasError


@dataclass(frozen=True)
class DragStudySettings:
    """How many images the study takes.

    ``faces`` are dragged by each method. ``tracked`` images measure the tracker's error. Yaw is regressed on
    ``learned`` images, none of which is dragged.
    """

    faces: int = 32
    tracked: int = 50
    learned: int = 256

    def __post_init__(self) -> None:
        if min(self.faces, self.tracked, self.learned) < 1:
            raise GanvasError(
                f"{self.faces} faces, {self.tracked} tracked and {self.learned} learned images measure nothing; give "
                "at least one of each."
            )


QUICK = DragStudySettings(faces=4, tracked=12)
"""Some minutes at 128 pixels."""
