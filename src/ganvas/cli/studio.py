"""``ganvas studio``: the page on which everything is done by hand."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter

from ganvas.cli import numbers
from ganvas.cli.options import Compute
from ganvas.cli.types import Flag, Model
from ganvas.errors import GanvasError

MISSING = 'The studio needs the packages fastapi and uvicorn: pip install "ganvas[studio]".'
WARNING = (
    "Warning: the studio is open to everyone who can reach this machine and knows the address with its token; they can "
    "make it compute and fill its disk. Nothing is encrypted."
)


def studio(
    model: Model = "faces",
    /,
    *,
    models: Annotated[list[Path], Parameter(negative=())] | None = None,
    port: numbers.Port = 0,
    no_browser: Flag = False,
    public: str = "",
    compute: Compute = Compute(),
) -> None:
    """Edit images by hand, on a page in the browser: mark a part, choose a direction, slide.

    Prints the page's address, which holds a random token, and opens it. Only this machine can reach it. What is made is
    kept in the cache folder and offered again at the next start; the page saves recipes, images, videos and photos.

    Args:
        models: Folders whose checkpoints the page offers; may be given several times.
        port: The port; a free one by default.
        no_browser: Print the address without opening a browser.
        public: Also answer other machines, at this address of this machine. Think twice.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise GanvasError(MISSING)
    from ganvas.studio.serve import Opening, serve

    device = compute.on()
    if public:
        print(WARNING, file=sys.stderr)
    opening = Opening(model, tuple(models or ()), port, public, not no_browser)
    serve(opening, device, getattr(torch, compute.precision_on(device)), _say)


def _say(address: str) -> None:
    print(f"The studio is open at {address}\nCtrl-C closes it.", flush=True)
