"""``python -m studies.regions MODEL --out DIR``: see `studies.regions.command`."""

import os
import sys

from ganvas.io.process import let_threads_wait

if __name__ == "__main__":
    let_threads_wait()
    # Thousands of small eigenproblems: beside other work, a second thread of the BLAS makes seconds of milliseconds.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from studies.regions.command import main

    sys.exit(main())
