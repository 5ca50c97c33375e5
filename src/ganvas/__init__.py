"""Ganvas: edit images through the latent space of a GAN, locally and with reason.

Public names are listed in ``__init__.pyi`` and imported when they are first used, so that ``import ganvas`` costs
nothing.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
del lazy_loader
