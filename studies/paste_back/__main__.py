"""``python -m studies.paste_back MODEL PHOTOS --out DIR``: see `studies.paste_back.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.paste_back.command:study")
