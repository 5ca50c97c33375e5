"""``python -m studies.photos MODEL PHOTOS --out DIR``: see `studies.photos.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.photos.command:study")
