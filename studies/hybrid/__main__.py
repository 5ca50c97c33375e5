"""``python -m studies.hybrid MODEL PHOTOS --out DIR``: see `studies.hybrid.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.hybrid.command:study")
