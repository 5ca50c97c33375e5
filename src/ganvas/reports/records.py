"""Numbers as files hold them."""

import math
from collections.abc import Mapping
from typing import Any


def without_nan(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers with None for those that are none: JSON has no nan."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in line.items()}
