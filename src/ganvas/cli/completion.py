"""``ganvas --install-completion``."""

from pathlib import Path
from typing import Literal

from cyclopts.completion.detect import ShellDetectionError, detect_shell

from ganvas.errors import GanvasError


def install(*, shell: Literal["bash", "zsh", "fish"] | None = None, output: Path | None = None) -> None:
    """Complete commands and options by the tab key, from the next terminal on.

    Args:
        shell: The shell; by default the one that runs here.
        output: Write the script here, and leave the shell's startup file as it is.
    """
    from ganvas.cli import make_app

    try:
        chosen = shell or detect_shell()
    except ShellDetectionError:
        raise GanvasError("The shell that runs here is not known; give it: --shell bash, zsh or fish.") from None
    path = make_app().install_completion(shell=chosen, output=output, add_to_startup=output is None)
    print(f"wrote {path}\nOpen a new terminal to use it.")
