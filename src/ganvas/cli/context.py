"""What is known of the running command."""

from contextvars import ContextVar

COMMAND_LINE: ContextVar[str] = ContextVar("COMMAND_LINE", default="ganvas")
"""The command as typed, for the pages that it writes."""


def visible(text: str) -> str:
    """Show control characters of text that may come from a file, so that they do not steer the terminal."""
    return "".join(c if c == "\n" or c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)
