"""``python -m studies.confine MODEL --out DIR``: see `studies.confine.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.confine.command:study")
