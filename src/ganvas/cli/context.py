"""What is known of the running command."""

from contextvars import ContextVar

COMMAND_LINE: ContextVar[str] = ContextVar("COMMAND_LINE", default="ganvas")
"""The command as typed, for the pages that it writes."""
