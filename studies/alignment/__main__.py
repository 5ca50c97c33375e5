"""``python -m studies.alignment LABELED --out DIR``: see `studies.alignment.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.alignment.command:study")
