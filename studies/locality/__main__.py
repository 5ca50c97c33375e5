"""``python -m studies.locality MODEL --out DIR``: see `studies.locality.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.locality.command:study")
