"""``python -m studies.ood MODEL --known IMAGES --ood NAME IMAGES``: see `studies.ood.command`."""

from studies.command import main

if __name__ == "__main__":
    main("studies.ood.command:study")
