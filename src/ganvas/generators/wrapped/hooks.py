"""Hooks on the submodules of a foreign module, for the time of one call: maps to keep, maps to put in place of its own.

Knows no generator.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ganvas.errors import LatentError
from ganvas.generators.protocol import MapHook


@dataclass
class Hooks:
    """What to do in one call of the module: ``wanted`` maps to keep, maps to ``replace``, maps to ``change`` by a
    function of name and map, whether to ``stop`` when all wanted are there.
    """

    wanted: Sequence[str] = ()
    replace: Mapping[str, Tensor] = field(default_factory=dict)
    stop: bool = False
    change: Mapping[str, MapHook] = field(default_factory=dict)
    maps: dict[str, Tensor] = field(default_factory=dict)

    @contextmanager
    def on(self, module: nn.Module) -> Iterator[None]:
        """Hook the module's submodules for a while."""
        paths = dict.fromkeys((*self.wanted, *self.replace, *self.change))
        handles = [module.get_submodule(path).register_forward_hook(self._hook(path)) for path in paths]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, path: str) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        def after(_: nn.Module, __: Any, output: Tensor) -> Tensor | None:
            given = self.replace.get(path)
            if given is not None and given.shape != output.shape:
                raise LatentError(
                    f"A feature map of shape {list(given.shape)} cannot take the place of '{path}', which has "
                    f"{list(output.shape)} here."
                )
            # Copies both: a module that follows may work in place, as ReLU(inplace=True) does.
            if path in self.wanted:
                self.maps[path] = (output if given is None else given).clone()
                if self.stop and len(self.maps) == len(set(self.wanted)):
                    raise Reached
            if path in self.change:
                return self.change[path](path, output.clone()).to(output.dtype, copy=True)
            return None if given is None else given.to(output.dtype, copy=True)

        return after


class Reached(Exception):  # noqa: N818 - not an error
    """Raised to leave a call once all wanted maps are there and no image is asked for."""


@contextmanager
def recorded_calls(module: nn.Module) -> Iterator[list[tuple[str, Any]]]:
    """Give a list to which every submodule adds its path and its output whenever it has been called."""
    calls: list[tuple[str, Any]] = []

    def after(path: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _, __, output: calls.append((path, output))

    handles = [part.register_forward_hook(after(path)) for path, part in module.named_modules() if path]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
