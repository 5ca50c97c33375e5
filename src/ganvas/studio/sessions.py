"""All sessions of a process: opened for a page, resumed, recovered from disk, and forgotten when nobody comes back."""

import secrets
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganvas.errors import CheckpointError, GanvasError
from ganvas.studio.engine import Engine, Job
from ganvas.studio.handlers import HANDLERS
from ganvas.studio.models import Jacobians, Models
from ganvas.studio.painting import Shared
from ganvas.studio.rows import Row
from ganvas.studio.session import Services, Session
from ganvas.studio.state import jobs_of, state_of
from ganvas.studio.store import FACTS, folder_of, forget, read_session, recoverable, save_session, set_aside

FORGET_AFTER = 15 * 60.0  # seconds without a page
MOST_SESSIONS = 32
SERVICES = Services(HANDLERS, state_of, Row.show, save_session, set_aside)


@dataclass(eq=False)
class Sessions:
    """The sessions in memory, by their ids."""

    models: Models
    folder: Path
    first_model: str
    forget_after: float = FORGET_AFTER
    open: dict[str, Session] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.jacobians = Jacobians()
        self.engine = Engine(self._jobs_changed, self._failed)
        self.shared = Shared(self.engine, self.models, self.jacobians, self.folder)

    def join(self, wanted: object) -> Session:
        """Return the session of a page that connects: its own, which it had before, or a new one."""
        self.forget_old()
        name = wanted if isinstance(wanted, str) else ""
        known = self.open.get(name)
        if known is not None and not known.outbox.connected:
            return known
        if len(self.open) >= MOST_SESSIONS:
            raise GanvasError(f"{MOST_SESSIONS} pages are open already; close one, and try again in a while.")
        services = replace(SERVICES, set_aside=self.set_aside)
        session = Session(id=secrets.token_hex(8), services=services, shared=self.shared, model=self.first_model)
        self.open[session.id] = session
        if known is None and name:
            session.resumes = name
        return session

    def begin(self, session: Session, job: Job) -> None:
        """Show a session to its page: what is there, what was on disk, or a first image. In the engine's thread."""
        if session.document.current >= 0:
            session.send_everything()
        elif session.resumes and self.on_disk(session.resumes):
            try:
                self.recover(session, session.resumes)
            except GanvasError as reason:  # a page is never blank
                session.say_error(str(reason))
                session.start(self.first_model)
        else:
            session.start(session.model)
        self.tell_recoverable(session)

    def on_disk(self, name: str) -> bool:
        """Whether a session of this name is kept on disk."""
        try:
            return (folder_of(self.folder, name) / FACTS).is_file()
        except GanvasError:
            return False

    def recover(self, session: Session, name: str) -> None:
        """Go on in a session from disk, under its own name."""
        model, document, thumbnails = read_session(folder_of(self.folder, name))
        try:
            self.models.load(model)
        except CheckpointError as reason:
            raise CheckpointError(f"The generator of this session is not here any more: {reason}") from reason
        if name not in self.open:
            self.open.pop(session.id, None)
            session.id, self.open[name] = name, session
        session.adopt(model, document, thumbnails)

    def tell_recoverable(self, session: Session) -> None:
        """Offer the sessions on disk that no page has open."""
        session.outbox.say("recoverable", sessions=recoverable(self.folder, set(self.open)))

    def set_aside(self, session: Session) -> None:
        """Keep a session's work under another name, before another document begins, and offer it."""
        set_aside(session)
        self.tell_recoverable(session)

    def leave(self, session: Session) -> None:
        """Note that the page of a session is gone."""
        session.outbox.disconnect()
        session.seen = time.monotonic()
        self.engine.cancel(session.id, "exact")

    def forget_old(self) -> None:
        """Free what sessions take that had no page for a while; their documents are on disk."""
        now = time.monotonic()
        for name, session in list(self.open.items()):
            if not session.outbox.connected and now - session.seen > self.forget_after:
                self.engine.cancel(name)
                del self.open[name]
        forget(self.folder, set(self.open))

    def stop(self) -> None:
        """End the engine."""
        self.engine.stop()

    def _jobs_changed(self, owners: set[str]) -> None:
        for session in list(self.open.values()):
            if session.id in owners:
                session.outbox.say("jobs", **jobs_of(self.engine, session.id))

    def _failed(self, owner: str, text: str) -> None:
        if owner in self.open:
            self.open[owner].say_error(text)
