"""One decorator for the methods of generators that take codes: a tensor with its space, or a latent that knows it.

The families write ``method(self, codes: Tensor, space: str, ...)``. Decorated, the method also takes a latent in place
of the tensor, and refuses a tensor without a space: a shape does not tell z from w.
"""

import functools
import inspect
import reprlib
from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.codes import check_lie_in
from ganvas.generators.protocol import CodesWithSpace

Result = TypeVar("Result")
KNOWN = ("space", "label", "truncation", "truncation_layers")


def takes_latent(method: Callable[..., Result]) -> Callable[..., Result]:
    """Let a method with parameters `codes` and `space` take a latent as `codes`, with the latent's own space, label,
    truncation, noise and tuned weights.

    Raises `LatentError` for a tensor without a space, and for a latent with one, or with a label or a truncation.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def checked(self: Any, *args: Any, **options: Any) -> Result:
        given = signature.bind_partial(self, *args, **options).arguments
        codes = given.get("codes")
        if isinstance(codes, CodesWithSpace):
            return _with_latent(method, codes, given)
        if "codes" in given and not isinstance(codes, Tensor):
            raise LatentError(
                f"Codes are a Latent, or a tensor with its space; {reprlib.repr(codes)} was given. Make one with "
                "ganvas.sample."
            )
        if isinstance(codes, Tensor):
            if given.get("space") is None:
                raise LatentError(
                    f"A tensor of shape {list(codes.shape)} does not say in which space its codes lie: give space= "
                    f"({', '.join(self.spaces)}), or a Latent."
                )
            check_lie_in(self, codes, given["space"])
        return method(**given)

    return checked


def _with_latent(method: Callable[..., Result], latent: CodesWithSpace, given: dict[str, Any]) -> Result:
    """Call a method with the codes of a latent and with all that it knows of them."""
    for name in KNOWN:
        if name in given:
            raise LatentError(f"A Latent has its own {name.replace('_', ' ')}; leave {name}= out.")
    generator = latent.generator_for(given["self"])
    check_lie_in(generator, latent.codes, latent.space)
    given |= {"self": generator, "codes": latent.codes.to(generator.device), "space": latent.space}
    given.setdefault("noise", latent.noise_for(generator))
    if latent.space == "z":  # elsewhere they were applied already
        given |= {"label": latent.label, "truncation": latent.truncation}
        given |= {} if latent.truncation_layers is None else {"truncation_layers": latent.truncation_layers}
    return method(**given)
