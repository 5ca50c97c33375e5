"""What the shape of an array can mean as codes: all readings in the spaces of a generator, and which of them is meant.

Nothing is guessed: where two readings are possible, the caller has to name the space, unless the file itself or the
convention of its kind does.
"""

from collections.abc import Collection, Mapping

from ganvas.errors import LatentError, ResultFileError
from ganvas.generators.codes import SPACES, check_known_space
from ganvas.generators.protocol import Generator

LARGEST_CODE = 1024  # numbers; z and w of published generators have 64 to 1024, flattened w+ and styles have more
NAMED = {
    **dict.fromkeys(("z", "zs", "latent_z", "z_code"), ("z",)),
    **dict.fromkeys(("w", "ws", "latent_w", "w_avg", "w_mean", "dlatent", "dlatents"), ("w", "w+")),
    **dict.fromkeys(("w+", "wp", "w_plus", "wplus", "w_opt"), ("w+", "w")),
    **dict.fromkeys(("s", "styles"), ("s",)),
}
LATENT_NAMES = ("w_avg", "w_mean", "dlatent", "dlatents", "w_opt", "latent_z", "z_code", "latent_w", "latent_avg")
LATENT_NAMES += ("mean_latent", "latent_in", "latent_code", "projected_w")
"""Arrays that nobody would call a direction."""
Shape = tuple[int, ...]


def check_known(space: str | None) -> None:
    """Raise `LatentError` unless a space is None or one that exists."""
    if space is not None:
        check_known_space(space)


def possible_readings(
    shape: Shape, generator: Generator | None, given: str | None = None, name: str = ""
) -> dict[str, Shape]:
    """Return for each space that codes of this shape may lie in the shape [n, *code] that they have there.

    With a generator, its dimensions decide. Without one, [n, d] can be z, w or the layers of one w+ code; it is s only
    where `given` or the array's `name` says so, and flattened codes cannot be told.
    """
    spaces = SPACES if generator is None else generator.spaces
    if generator is None and "s" not in (given, *_spaces_named(name)):
        spaces = spaces[:3]
    found = {space: _reading(shape, space, generator.dimensions(space) if generator else None) for space in spaces}
    return {space: reading for space, reading in found.items() if reading is not None}


def _reading(shape: Shape, space: str, code: Shape | None) -> Shape | None:
    """Return `shape` as [n, *code] of `space`, or None where it is none."""
    if not 1 <= len(shape) <= 3:
        return None
    if space != "w+":
        width = code[0] if code else shape[-1]
        flat = len(shape) < 3 or shape[1] == 1
        if code is None and space in ("z", "w") and width > LARGEST_CODE:
            return None
        return (shape[0] if len(shape) > 1 else 1, width) if flat and shape[-1] == width else None
    if code is None:
        return (1, *shape)[-3:] if len(shape) > 1 and shape[-2] > 1 else None
    if shape[-2:] == code:
        return (1, *shape)[-3:]
    flattened = shape[-1] == code[0] * code[1] and (len(shape) < 3 or shape[1] == 1)
    return (shape[0] if len(shape) > 1 else 1, *code) if flattened else None


def choose_space(
    readings: Mapping[str, Shape],
    what: str,
    given: str | None,
    name: str,
    convention: Collection[str] = (),
    preferred: str = "w",
    option: str = "--space",
) -> str:
    """Return the space that is meant: the one `given`, the only one possible, the one that the array's `name` in the
    file says, or the `preferred` one where the `convention` of this kind of file settles all spaces that are left.

    `what` describes the array in messages, `option` names the space on the command line. Raises `ResultFileError` where
    none is left, `LatentError` where several are.
    """
    named = _spaces_named(name)
    if given is not None:
        if named and given not in named:
            raise ResultFileError(f"{what} is called '{name}', which is not space {given}; leave space out.")
        if given not in readings:
            raise ResultFileError(f"{what} is none of {_shapes(given)}; {_allowed(readings)}.")
        return given
    left = [space for space in readings if not named or space in named]
    if not left:
        raise ResultFileError(f"{what} is called '{name}' in its file, but fits only space {', '.join(readings)}.")
    if len(left) == 1:
        return left[0]
    if preferred in left and set(left) <= set(convention):
        return preferred
    spaces = " or ".join(f"{_counted(readings[space])} of space {space}" for space in left)
    raise LatentError(f"{what} can be {spaces}; say which: space='{left[0]}' or another ({option}).")


def _spaces_named(name: str) -> tuple[str, ...]:
    """Return the spaces that the name of an array may mean, () where it says nothing."""
    return NAMED.get(name.rpartition(".")[2].lower(), ())


def _shapes(space: str) -> str:
    return "space w+ ([layers, d], [n, layers, d])" if space == "w+" else f"space {space} ([d], [n, d], [n, 1, d])"


def _allowed(readings: Mapping[str, Shape]) -> str:
    return f"it fits space {', '.join(readings)}" if readings else "give the generator that it is for"


def _counted(shape: Shape) -> str:
    return f"{shape[0]} code{'s' if shape[0] > 1 else ''} {list(shape[1:])}"


def wrong_width(what: str, shape: Shape, generator: Generator | None) -> ResultFileError:
    """Return the error for an array that fits no space at all."""
    if generator is None:
        return ResultFileError(
            f"{what} holds an array of shape {list(shape)}, not [d], [n, d], [n, 1, d] or [n, layers, d] with d up to "
            f"{LARGEST_CODE}; if it is flattened, give the generator that it is for."
        )
    wanted = ", ".join(f"{space} {list(generator.dimensions(space))}" for space in generator.spaces)
    return ResultFileError(
        f"{what} holds an array of shape {list(shape)}, which does not fit this generator, whose codes are {wanted}."
    )
