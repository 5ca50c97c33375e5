"""The drag methods by name and by their settings.

A method is a module with five functions: ``resolve(settings, context, reference)`` gives a number for each setting that
is None, ``start(drag, codes)`` the first state, ``step(drag, state)`` the next one, ``observe(drag, state, feature)``
the state with the map of its codes observed and nothing optimized, and ``locate(drag, state)`` the content of each
handle on the map observed last.
"""

from dataclasses import fields
from types import ModuleType
from typing import Any

from ganvas.drag import draggan, freedrag, recovery
from ganvas.drag.draggan import DragGANSettings
from ganvas.drag.freedrag import FreeDragSettings
from ganvas.drag.settings import DragSettings
from ganvas.errors import GanvasError

METHODS: dict[str, type[DragSettings]] = {one.method: one for one in (DragGANSettings, FreeDragSettings)}
"""The settings of each method by its name."""


def settings_of(method: str, **settings: Any) -> DragSettings:
    """Return the settings of a method by its name; raises `GanvasError` for an unknown method or setting."""
    if method not in METHODS:
        raise GanvasError(f"Unknown drag method '{method[:40]}'; choose {' or '.join(METHODS)}.")
    known = [field.name for field in fields(METHODS[method])]
    if unknown := [name for name in settings if name not in known]:
        raise GanvasError(f"{method} has no setting '{unknown[0][:40]}'; it has {', '.join(known)}.")
    return METHODS[method](**settings)


def module_of(settings: object) -> ModuleType:
    """Return the module that runs a method with these settings."""
    if isinstance(settings, DragGANSettings):
        return draggan
    if isinstance(settings, FreeDragSettings):
        return recovery if settings.recovers else freedrag
    raise GanvasError(
        f"A drag method is given by its settings, DragGANSettings() or FreeDragSettings(); {settings!r:.60} was given."
    )
