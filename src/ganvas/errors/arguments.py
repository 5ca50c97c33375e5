"""Arguments of public functions, checked once against their annotations, at the door.

``@checked`` on a function or a dataclass refuses what is not of the annotated type, with an error of ours that says
what the argument is and what was given. It is the only place that reads annotations; what a value means together with
others (a space that the generator lacks) is checked by those who know.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from ganvas.errors import GanvasError, LatentError, RegionError
from ganvas.errors.kinds import Kind, kind_of
from ganvas.errors.shown import shown

ERRORS: dict[str, type[GanvasError]] = {
    **dict.fromkeys(("latent", "latents", "codes", "content", "style", "start", "keys"), LatentError),
    **dict.fromkeys(("seeds", "space", "to", "layers", "label", "truncation", "truncation_layers"), LatentError),
    **dict.fromkeys(("strength", "strengths", "direction", "directions", "chosen"), LatentError),
    **dict.fromkeys(("region", "regions", "inside", "movable", "points", "mask"), RegionError),
}
"""The error for an argument of this name, where the function has none of its own."""

Target = TypeVar("Target", bound=Callable[..., Any])


def checked(target: Target, *, error: type[GanvasError] = GanvasError) -> Target:
    """Check every call's arguments, those of the constructor for a class; other failures raise `error`."""
    if inspect.isclass(target):
        setattr(target, "__init__", _door(target.__init__, error))  # noqa: B010
        return target
    return _door(target, error)


def checked_as(error: type[GanvasError]) -> Callable[[Target], Target]:
    """Return `checked` with another error than `GanvasError`."""
    return functools.partial(checked, error=error)


def _door(function: Any, error: type[GanvasError]) -> Any:
    signature = inspect.signature(function)
    several = {p.name for p in signature.parameters.values() if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}

    @functools.lru_cache
    def kinds() -> dict[str, Kind]:
        hints = get_type_hints(function, include_extras=True)
        return {name: kind_of(hint) for name, hint in hints.items() if name != "return" and name not in several}

    @functools.wraps(function)
    def door(*args: Any, **kwargs: Any) -> Any:
        known = kinds()
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if name in known:
                _check(name, value, known[name], error)
        return function(*args, **kwargs)

    return door


def _check(name: str, value: Any, kind: Kind, error: type[GanvasError]) -> None:
    reason = kind.refusal(value)
    if reason is None:
        return
    raised = ERRORS.get(name, GanvasError) if error is GanvasError else error
    if reason:
        raise raised(f"{name.replace('_', ' ')} {shown(value)} is not possible; give {reason}.")
    raise raised(f"{name} must be {kind.words}; you gave {shown(value)}.")
