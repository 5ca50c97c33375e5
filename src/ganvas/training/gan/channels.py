"""Numbers of channels of maps of 4, 8, ... pixels."""

from ganvas.errors import TrainingError
from ganvas.errors.ranges import whole_number


def standard_channels(resolution: int, base: int = 4096, most: int = 256) -> tuple[int, ...]:
    """Return ``min(base / r, most)`` channels for the maps of r = 4, 8, ..., resolution pixels.

    Raises `TrainingError` unless the resolution is a power of two from 8 up.
    """
    if resolution < 8 or resolution & (resolution - 1):
        raise TrainingError(f"Networks of {resolution} pixels are not possible; give a power of two from 8 up.")
    return tuple(min(base // 2**i, most) for i in range(2, resolution.bit_length()))


def parse_channels(text: str, resolution: int) -> tuple[int, ...]:
    """Return the channels of "256,256,128"; raises `TrainingError` for other texts, or unless there is one number for
    each of the maps of 4, 8, ..., resolution pixels.
    """
    widths = _numbers(text)
    if not widths or 2 ** (len(widths) + 1) != resolution:
        raise TrainingError(
            f"'{text}' are not the channels of the maps of 4, 8, ... {resolution} pixels; write one number for each: "
            f"{','.join(map(str, standard_channels(resolution)))}."
        )
    return widths


def parse_widths(text: str) -> tuple[int, ...]:
    """Return the channels of "128,96,64", one number for each layer; raises `TrainingError` for other texts."""
    widths = _numbers(text)
    if not widths:
        raise TrainingError(
            f"'{text}' are not the channels of layers; write a number for each: 128,128,96,64,48,32,32."
        )
    return widths


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of "256,128", none where the text is no such list of numbers above 0."""
    parts = text.split(",")
    numbers = tuple(whole_number(part) for part in parts if part.strip().isdecimal())
    return numbers if len(numbers) == len(parts) and min(numbers) > 0 else ()
