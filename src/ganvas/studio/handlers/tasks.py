"""What takes longer: photos, drags, sketches, videos."""

from collections.abc import Mapping
from typing import Any

from ganvas.studio.session import Session

Message = Mapping[str, Any]


def stop(session: Session, message: Message) -> None:
    """End what a person asked for and waits for."""
    session.shared.engine.cancel(session.id, "task")


HANDLERS = {"stop": (stop, None)}
