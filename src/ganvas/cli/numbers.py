"""Options that are one number: annotated types, whose ranges are checked before work begins and shown by the help."""

from typing import Annotated

from cyclopts import Parameter

from ganvas.cli.types import one
from ganvas.errors import ranges


def _of(allowed: ranges.Range) -> Parameter:
    return one(allowed.parse, allowed.short)


Seed = Annotated[int, _of(ranges.SEED)]
Steps = Annotated[int, _of(ranges.STEPS)]
StepsOrNone = Annotated[int, _of(ranges.STEPS_OR_NONE)]
Images = Annotated[int, _of(ranges.IMAGES)]
Every = Annotated[int, _of(ranges.EVERY)]
Batch = Annotated[int, _of(ranges.BATCH)]
Count = Annotated[int, _of(ranges.COUNT)]
CountOrNone = Annotated[int, _of(ranges.COUNT_OR_NONE)]
Width = Annotated[int, _of(ranges.WIDTH)]
Depth = Annotated[int, _of(ranges.DEPTH)]
Size = Annotated[int, _of(ranges.SIZE)]
Threads = Annotated[int, _of(ranges.THREADS)]
LayerCount = Annotated[int, _of(ranges.LAYER_COUNT)]
Index = Annotated[int, _of(ranges.INDEX)]
Port = Annotated[int, _of(ranges.PORT)]
Frames = Annotated[int, _of(ranges.FRAMES)]
PathFrames = Annotated[int, _of(ranges.PATH_FRAMES)]
PartCount = Annotated[int, _of(ranges.PART_COUNT)]
PartSamples = Annotated[int, _of(ranges.PART_SAMPLES)]
Rate = Annotated[float, _of(ranges.RATE)]
Pixels = Annotated[float, _of(ranges.PIXELS)]
Positive = Annotated[float, _of(ranges.POSITIVE)]
Weight = Annotated[float, _of(ranges.WEIGHT)]
Fraction = Annotated[float, _of(ranges.FRACTION)]
Truncation = Annotated[float, _of(ranges.TRUNCATION)]
Degrees = Annotated[float, _of(ranges.DEGREES)]
