"""Who may talk to the studio: a page that it served itself, to the person who started it.

A random token in the first address becomes a cookie. The Host must be ours, against rebinding of names; the Origin of
everything that is no plain page load must be ours, against pages of others. No inline code runs.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Guard:
    """Checks requests for one running studio, at `port`; `public` is the host that it was opened to, if any."""

    port: int
    public: str = ""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def cookie(self) -> str:
        """The name of the cookie: cookies do not tell ports apart, so it does."""
        return f"ganvas-studio-{self.port}"

    def knows(self, token: str | None) -> bool:
        """Whether a token is the studio's."""
        return token is not None and hmac.compare_digest(token.encode(), self.token.encode())

    def refusal(self, headers: Mapping[str, str], cookies: Mapping[str, str], needs_token: bool = True) -> str:
        """Return why a request is refused, "" where it is not."""
        host = headers.get("host", "")
        if host not in self._hosts():
            return f"this studio answers at {self._hosts()[0]}"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "the request comes from a page of somebody else"
        if needs_token and not self.knows(cookies.get(self.cookie)):
            return "the token is missing; open the address that ganvas studio printed"
        return ""

    def _hosts(self) -> list[str]:
        names = [*([self.public] if self.public else []), "127.0.0.1", "localhost", "[::1]"]
        return [f"{name}:{self.port}" for name in names]
