"""``python -m studies.studio MODEL PHOTOS --out DIR``: see `studies.studio.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.studio.command:study")
