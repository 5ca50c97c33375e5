"""``python -m studies.strong_edits MODEL --out DIR``: see `studies.strong_edits.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.strong_edits.command:study")
