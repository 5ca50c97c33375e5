"""Ganvas: edit images through the latent space of a GAN, locally and with reason.

Public names are listed in ``__init__.pyi`` and imported when they are first used, so that ``import ganvas`` costs
nothing.
"""

import lazy_loader

__version__ = "0.2.0"

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
del lazy_loader


def __getattr__(name: str) -> object:
    """Import a public name; an unknown one is an `AttributeError` that says the nearest known one."""
    try:
        return _load(name)
    except AttributeError:
        if name in __all__:  # its module failed: a file of the user's that is called like one of Python's, for example
            raise
        from difflib import get_close_matches

        near = get_close_matches(name, __all__, 1)
        hint = f"Did you mean ganvas.{near[0]}?" if near else "dir(ganvas) lists the public names."
        raise AttributeError(f"ganvas has no {name}. {hint}", name=name) from None
