"""One HTTP request: open an address, from a given byte on, and stream its bytes.

Only http and https, with few redirects and never from https to http; names, connections and headers together get a
bounded time. Retries and checksums are in `ganvas.checkpoints.fetch`.
"""

import http.client
import re
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from queue import Empty, SimpleQueue
from urllib.parse import urljoin, urlsplit

from ganvas.errors import DownloadError

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses worth another try
RANGE_REFUSED = 416
CHUNK = 1 << 18
WEB_PAGES = ("text/html", "application/xhtml+xml")
Response = http.client.HTTPResponse


class TryAgainError(DownloadError):
    """A failure that may pass. `answered` says whether a server answered at all."""

    def __init__(self, message: str, answered: bool = True) -> None:
        super().__init__(message)
        self.answered = answered


class StartAnewError(TryAgainError):
    """The server does not resume: the file has to be requested from its start."""


@dataclass(frozen=True, eq=False)
class Stream:
    """The bytes of a file from `start` on; `total` are those of the whole file, None where the server does not say.

    `validator` (ETag or date) names this version of the file in a later request, "" where the server gives none.
    """

    response: Response
    start: int
    total: int | None
    validator: str

    @property
    def framed(self) -> bool:
        """Whether a cut connection can be distinguished from the end of the file."""
        return self.total is not None or bool(self.response.chunked)

    def read(self) -> bytes:
        """Return the next bytes, b"" at the end; raises `TryAgainError` where the connection breaks or goes silent."""
        try:
            return self.response.read1(CHUNK)
        except TimeoutError as error:
            raise TryAgainError("the server went silent") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TryAgainError(f"the connection broke ({_reason(error)})") from error

    def close(self) -> None:
        """Close the connection."""
        self.response.close()


def open_stream(address: str, *, start: int = 0, validator: str = "", answer: float, silence: float) -> Stream:
    """Ask for a file, from byte `start` on if it is still the version of `validator`.

    The server has `answer` seconds for everything up to its headers, redirects too, and `silence` between two bytes.
    The server may send the whole file instead: see `Stream.start`. Raises `TryAgainError` for a failure that may pass,
    else `DownloadError`.
    """
    headers = {"User-Agent": f"ganvas/{metadata.version('ganvas')}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    response = _within(answer, lambda: _follow(address, headers, silence))
    try:
        return _understand(response, start)
    except DownloadError:
        response.close()
        raise


def require_web(address: str) -> None:
    """Raise `DownloadError` unless an address is of http or https."""
    if urlsplit(address).scheme not in ("http", "https"):
        raise DownloadError(f"'{address}' is no address of http or https; nothing else is fetched")


def _within(seconds: float, work: Callable[[], Response]) -> Response:
    """Return the result of `work` within `seconds`; a name lookup has no time limit of its own."""
    outcomes: SimpleQueue[Response | BaseException] = SimpleQueue()
    late = threading.Event()

    def run() -> None:
        try:
            outcomes.put(work())
        except BaseException as error:
            outcomes.put(error)
        if late.is_set():
            _close(outcomes)

    threading.Thread(target=run, daemon=True).start()
    try:
        outcome = outcomes.get(timeout=seconds)
    except Empty:
        late.set()
        _close(outcomes)
        raise TryAgainError(f"no answer within {seconds:.0f} s", answered=False) from None
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _close(outcomes: "SimpleQueue[Response | BaseException]") -> None:
    """Close the connection of an answer that came too late."""
    if not outcomes.empty() and isinstance(response := outcomes.get(), Response):
        response.close()


def _follow(address: str, headers: dict[str, str], silence: float) -> Response:
    """Return the response after following redirects."""
    opener = _opener()
    for _ in range(MOST_REDIRECTS + 1):
        require_web(address)
        try:
            return opener.open(urllib.request.Request(address, headers=headers), timeout=silence)
        except urllib.error.HTTPError as refusal:
            with refusal:
                if refusal.code not in REDIRECTS or not refusal.headers.get("Location"):
                    raise _refused(refusal.code, refusal.reason) from None
                target = urljoin(address, refusal.headers["Location"])
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreachable(error) from error
        if address.startswith("https:") and target.startswith("http:"):
            raise DownloadError("redirects from https to http, where anyone between could change the file")
        address = target
    raise DownloadError(f"redirects more than {MOST_REDIRECTS} times")


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for http and https alone (no files, no FTP), through the user's proxies."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _refused(code: int, reason: str) -> DownloadError:
    said = f"the server answers {code} {reason}".rstrip()
    if code == RANGE_REFUSED:
        return StartAnewError(said)
    return TryAgainError(said) if code in PASSING else DownloadError(said)


def _unreachable(error: Exception) -> DownloadError:
    """Return the error for a server that is not reached, or whose certificate is not valid."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return DownloadError(f"its certificate is not valid ({cause.verify_message})")
    answered = isinstance(cause, http.client.HTTPException) and not isinstance(cause, ConnectionError)
    return TryAgainError(f"cannot be reached ({_reason(cause)})", answered)


def _reason(error: object) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _understand(response: Response, start: int) -> Stream:
    """Read the headers of an answer to a request for everything from byte `start` on."""
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise DownloadError(f"the server compresses the file ({encoding}) though asked not to")
    validator = response.headers.get("ETag") or ""
    if not validator or validator.startswith("W/"):  # weak: the bytes may differ
        validator = response.headers.get("Last-Modified") or ""
    if response.status == 200:
        if response.headers.get_content_type() in WEB_PAGES:
            raise DownloadError("the server sends a web page in place of the file; open the address in a browser")
        return Stream(response, 0, response.length, validator)
    if response.status != 206:
        raise DownloadError(f"the server answers {response.status}, which is not an answer to a download")
    part = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)", response.headers.get("Content-Range", ""))
    if part is None or int(part[1]) != start or not start:
        raise StartAnewError("the server sends another part of the file than was asked for")
    return Stream(response, start, None if part[3] == "*" else int(part[3]), validator)
