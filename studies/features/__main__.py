"""``python -m studies.features --out DIR --set NAME TRAIN TEST``: see `studies.features.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.features.command:study")
