"""``python -m studies.drag MODEL --out DIR``: see `studies.drag.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.drag.command:study")
