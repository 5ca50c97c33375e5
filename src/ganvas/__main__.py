"""``python -m ganvas``: the command line, for programs that start modules, such as ``torchrun``."""

import sys

from ganvas.cli import main

if __name__ == "__main__":
    sys.exit(main())
