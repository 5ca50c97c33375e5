"""Names that moved."""

from ganvas.cli.show import COMMAND_LINE as COMMAND_LINE
from ganvas.cli.show import visible as visible
