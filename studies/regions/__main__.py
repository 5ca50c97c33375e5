"""``python -m studies.regions MODEL --out DIR``: see `studies.regions.command`."""

import os

from studies.command import main

if __name__ == "__main__":
    # Thousands of small eigenproblems: beside other work, a second thread of the BLAS makes seconds of milliseconds.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main("studies.regions.command:study")
