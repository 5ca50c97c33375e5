"""``python -m studies.parts STEP --out DIR``: see `studies.parts.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.parts.command:study")
