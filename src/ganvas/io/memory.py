"""How much memory this process takes."""

import sys
from pathlib import Path


def process_bytes() -> int:
    """Return the resident memory of this process in bytes, 0 where the system does not say."""
    if not sys.platform.startswith("linux"):
        return 0
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * 4096
