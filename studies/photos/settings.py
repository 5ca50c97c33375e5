"""What the study of photos is made with."""

from dataclasses import dataclass, replace

from ganvas.errors import GanvasError


@dataclass(frozen=True)
class Settings:
    """``count`` photos are inverted by ``steps`` steps into every space, and the w+ codes tuned by ``tune`` steps; the
    first ``edited`` of them, and as many generated images, are edited in ``regions``.

    Directions are found on generated images of ``found_on`` at ``truncation``; generated images that are edited
    have the seeds from ``first_seed`` on. ``inside`` is the mean change that an edit makes in its region of generated
    images, as a root of mean squares (black to white is 2).
    """

    count: int = 50
    edited: int = 20
    steps: int = 300
    tune: int = 100
    regions: tuple[str, ...] = ("mouth", "eyes")
    found_on: tuple[int, ...] = tuple(range(16))
    first_seed: int = 100
    truncation: float = 0.7
    inside: float = 0.2

    def __post_init__(self) -> None:
        if not (0 < self.edited <= self.count and self.steps > 0 and self.tune > 0 and self.regions):
            raise GanvasError(
                f"{self.count} photos, {self.edited} of them edited in {len(self.regions)} regions after {self.steps} "
                f"and {self.tune} steps measure nothing; give 1 or more of each, and no more edited than inverted."
            )


def short(settings: Settings) -> Settings:
    """Return settings for minutes instead of an hour."""
    return replace(settings, count=4, edited=4, steps=60, tune=30, found_on=settings.found_on[:4])
