"""All methods by name."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ganvas.directions.find import Method
from ganvas.directions.ganspace import GANSpace
from ganvas.directions.lelsd import LELSD
from ganvas.directions.localbasis import LocalBasis
from ganvas.directions.lowrankgan import LowRankGAN
from ganvas.directions.panda import PandA
from ganvas.directions.random import RandomDirections
from ganvas.directions.resefa import ReSeFa
from ganvas.directions.sefa import SeFa
from ganvas.directions.stylespace import StyleSpace
from ganvas.errors import GanvasError

METHODS: Mapping[str, type[Method]] = {
    one.name: one
    for one in (ReSeFa, LowRankGAN, StyleSpace, LELSD, PandA, SeFa, GANSpace, LocalBasis, RandomDirections)
}


def method_named(name: str, **settings: Any) -> Method:
    """Return a method with some settings; raises `GanvasError` for a setting that it does not have."""
    kind = METHODS[name]
    allowed = {one.name for one in fields(kind) if one.init}  # type: ignore[arg-type]
    for setting in settings:
        if setting not in allowed:
            raise GanvasError(f"{setting.replace('_', ' ')} is no setting of {name}; leave it out.")
    return kind(**settings)
