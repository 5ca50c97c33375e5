"""Settings of the process that make tensors faster on a CPU. Programs such as the command line choose them; the library
does not. Imports no torch, so that they can be set before it loads.
"""

import ctypes
import os
import sys
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4


def keep_freed_memory() -> bool:
    """Let this process keep the memory that tensors free, for the next ones.

    On Linux, large tensors otherwise go back to the system and their pages are faulted in anew each time, which
    doubles the time of synthesis at 1024 px (at 256 px it costs 5 %). Does nothing outside glibc.

    Returns:
        Whether the C library understood.

    Example:
        >>> import ganvas
        >>> kept = ganvas.keep_freed_memory()
    """
    if not sys.platform.startswith("linux"):
        return False
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # Older versions of glibc allow no threshold above 32 MiB; there, no block at all is mapped by itself.
        own_mappings = mallopt(M_MMAP_THRESHOLD, 2**30) or mallopt(M_MMAP_MAX, 0)
        return bool(own_mappings and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
    return False


def let_threads_wait() -> None:
    """Let idle threads of OpenMP and OpenBLAS sleep instead of spinning; call it before torch and numpy load.

    While one of the two spins, waiting for work, it takes the core from the other: the eigenproblem (OpenBLAS) between
    two products (OpenMP) then costs about 60 ms more than it takes. Values that the user has set stay.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "14")
