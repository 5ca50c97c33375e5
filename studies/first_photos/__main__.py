"""``python -m studies.first_photos MODEL PHOTOS --out DIR``: see `studies.first_photos.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.first_photos.command:study")
