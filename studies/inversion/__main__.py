"""``python -m studies.inversion MODEL PHOTOS --out DIR``: see `studies.inversion.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.inversion.command:study")
