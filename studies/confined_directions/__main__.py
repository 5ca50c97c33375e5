"""``python -m studies.confined_directions MODEL --out DIR``: see `studies.confined_directions.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.confined_directions.command:study")
