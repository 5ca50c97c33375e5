"""Downloads from servers that misbehave: the file is right or there is none, and the message says why."""

import hashlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ganvas.checkpoints import fetch as fetching
from ganvas.checkpoints.fetch import Patience, Remote, copy_in, download
from ganvas.errors import DownloadError
from ganvas.io.transfer import open_stream
from tests.checkpoints.unreliable import CONTENT, Plan, no_proxies, serving

__all__ = ["no_proxies"]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = bytes(reversed(CONTENT))
DEFAULT = Patience(answer=20.0, silence=10.0, attempts=3, pause=0.01)  # a machine with other work may be slow
QUICK = Patience(answer=0.6, silence=0.3, attempts=3, pause=0.01)
BOUND = 15.0  # seconds, far above what it takes


@pytest.fixture
def served() -> Iterator:
    """Give a function that serves a plan until the test ends, and returns the file's address."""
    with ExitStack() as stack:
        yield lambda plan: stack.enter_context(serving(plan)) + "/file.pkl"


def get(address: str | tuple[str, ...], target: Path, patience: Patience = DEFAULT, **known: object) -> str:
    addresses = (address,) if isinstance(address, str) else address
    return download(Remote("file.pkl", addresses, **known), target, patience=patience)[0]


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".guard"))


KNOWN = pytest.mark.parametrize("known", [{}, {"sha256": SHA256, "bytes": len(CONTENT)}], ids=["unknown", "known"])


@KNOWN
def test_download_writes_the_whole_file_and_reports_progress(served, tmp_path: Path, known: dict):
    seen: list[tuple[int, int | None]] = []
    remote = Remote("file.pkl", (served(Plan()),), **known)
    found = download(remote, tmp_path / "a" / "file.pkl", report=lambda done, total: seen.append((done, total)))
    assert found == (SHA256, remote.addresses[0])
    assert (tmp_path / "a" / "file.pkl").read_bytes() == CONTENT
    assert left_behind(tmp_path / "a") == ["file.pkl"]
    assert (seen[0], seen[-1]) == ((0, 100_000), (100_000, 100_000))


@KNOWN
@pytest.mark.parametrize("chunked", [False, True])
def test_cut_connections_are_resumed(served, tmp_path: Path, known: dict, chunked: bool):
    plan = Plan(cuts=[30_000, 0, 20_000], chunked=chunked)
    address = served(plan)
    remote = Remote("file.pkl", (address,), **known)
    assert download(remote, tmp_path / "file.pkl", patience=Patience(attempts=5, pause=0.01))[0] == SHA256
    ranges = [request.get("Range") for request in plan.seen]
    assert ranges == [None, "bytes=30000-", "bytes=30000-", "bytes=50000-"]
    assert plan.seen[1]["If-Range"] == '"one"'


def test_the_next_run_goes_on_where_the_last_one_broke_off(served, tmp_path: Path):
    address = served(plan := Plan(cuts=[60_000, 0, 0]))
    with pytest.raises(DownloadError, match=r"cut after 60000 of 100000 bytes \(3 tries\)"):
        get(address, tmp_path / "file.pkl")
    assert left_behind(tmp_path) == ["file.pkl.part", "file.pkl.part.json"]
    assert get(address, tmp_path / "file.pkl") == SHA256
    assert plan.seen[-1]["Range"] == "bytes=60000-"
    assert left_behind(tmp_path) == ["file.pkl"]


@pytest.mark.parametrize("obeys_if_range", [True, False])
def test_a_file_that_changed_between_is_fetched_anew(served, tmp_path: Path, obeys_if_range: bool):
    address = served(plan := Plan(OTHER, cuts=[60_000, 0, 0], obeys_if_range=obeys_if_range))
    with pytest.raises(DownloadError, match="cut"):
        get(address, tmp_path / "file.pkl")
    plan.content, plan.etag = CONTENT, '"two"'
    assert get(address, tmp_path / "file.pkl") == SHA256
    assert (tmp_path / "file.pkl").read_bytes() == CONTENT


def test_bytes_of_unknown_version_are_not_built_on(served, tmp_path: Path):
    address = served(plan := Plan(OTHER, cuts=[60_000, 0, 0], etag=None))
    with pytest.raises(DownloadError, match="cut"):
        get(address, tmp_path / "file.pkl")
    plan.content = CONTENT
    assert get(address, tmp_path / "file.pkl") == SHA256
    assert "Range" not in plan.seen[-1]


def test_a_resumed_file_with_the_wrong_checksum_is_fetched_anew(served, tmp_path: Path):
    (tmp_path / "file.pkl.part").write_bytes(OTHER[:50_000])
    address = served(plan := Plan(etag=None))
    assert get(address, tmp_path / "file.pkl", sha256=SHA256) == SHA256
    assert [request.get("Range") for request in plan.seen] == ["bytes=50000-", None]


@pytest.mark.parametrize(
    "changes",
    [{"obeys_ranges": False}, {"range_answer": "bytes 7-9/10"}, {"range_answer": "nonsense"}, {"statuses": [416]}],
    ids=["ignores ranges", "another range", "no range", "416"],
)
def test_servers_that_cannot_resume_send_the_whole(served, tmp_path: Path, changes: dict):
    (tmp_path / "file.pkl.part").write_bytes(CONTENT[:70_000])
    plan = Plan(**changes)
    assert get(served(plan), tmp_path / "file.pkl", sha256=SHA256) == SHA256


def test_more_bytes_than_the_file_has_are_dropped(served, tmp_path: Path):
    (tmp_path / "file.pkl.part").write_bytes(CONTENT + b"more")
    assert get(served(Plan()), tmp_path / "file.pkl", sha256=SHA256) == SHA256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content": OTHER}, f"what came has sha256 {hashlib.sha256(OTHER).hexdigest()}, but {SHA256} is right"),
        ({"content": CONTENT[:-1]}, "announces 99999 bytes, but 100000 are right"),
        ({"content": CONTENT + b"x"}, "announces 100001 bytes, but 100000 are right"),
        ({"content": CONTENT + b"x", "without_length": True}, "sends more than 100000 bytes"),
        ({"content": CONTENT[:-1], "without_length": True}, "cut after 99999 of 100000"),
        ({"kind": "text/html; charset=utf-8"}, "web page in place of the file"),
        ({"packed": "gzip"}, "compresses the file"),
        ({"statuses": [404] * 9}, "answers 404 Not Found"),
        ({"statuses": [403] * 9}, "answers 403"),
        ({"statuses": [500] * 9}, r"answers 500 Internal Server Error \(3 tries\)"),
        ({"statuses": [416] * 9}, "answers 416"),
        ({"statuses": [204] * 9}, "answers 204"),
        ({"silent_after": 7}, "went silent"),
        ({"silent_head": True}, "no answer within|timed out"),
        ({"redirect": "/again"}, "redirects more than 5 times"),
        ({"redirect": "file:///etc/passwd"}, "no address of http or https"),
        ({"redirect": "ftp://127.0.0.1/x"}, "no address of http or https"),
    ],
)
def test_an_answer_that_is_not_the_file_is_refused(served, tmp_path: Path, changes: dict, message: str):
    start = time.monotonic()
    patience = QUICK if "silent" in "".join(changes) else DEFAULT
    with pytest.raises(DownloadError, match=message):
        get(served(Plan(**changes)), tmp_path / "file.pkl", patience, sha256=SHA256, bytes=len(CONTENT))
    assert not (tmp_path / "file.pkl").exists()
    assert time.monotonic() - start < BOUND


def test_a_lie_about_the_length_is_noticed_without_a_checksum(served, tmp_path: Path):
    with pytest.raises(DownloadError, match=r"cut after \d+ of 200000"):
        get(served(Plan(length=200_000, cuts=[100_000, 0, 0, 0])), tmp_path / "file.pkl")
    with pytest.raises(DownloadError, match="does not say how long"):
        get(served(Plan(without_length=True)), tmp_path / "other.pkl")
    short = served(Plan(length=40_000))  # who announces less is believed, unless the size or checksum is known
    with pytest.raises(DownloadError, match="what came has sha256"):
        get(short, tmp_path / "third.pkl", sha256=SHA256)


def test_a_server_error_that_passes_is_retried(served, tmp_path: Path):
    assert get(served(Plan(statuses=[500, 503])), tmp_path / "file.pkl") == SHA256


def test_a_redirect_is_followed(served, tmp_path: Path):
    assert get(served(Plan(redirect="/there")), tmp_path / "file.pkl") == SHA256


def test_mirrors_are_tried_in_order(served, tmp_path: Path):
    gone, wrong = served(Plan(statuses=[404])), served(Plan(OTHER))
    right, unasked = served(Plan()), served(last := Plan())
    assert get((gone, wrong, right, unasked), tmp_path / "file.pkl", sha256=SHA256) == SHA256
    assert last.seen == []
    with pytest.raises(DownloadError) as caught:
        get((served(Plan(statuses=[404])), wrong), tmp_path / "other.pkl", sha256=SHA256)
    assert "404" in str(caught.value)
    assert f"{wrong}: what came has" in str(caught.value)


def test_the_first_digits_of_a_checksum_are_checked(served, tmp_path: Path):
    assert get(served(Plan()), tmp_path / "file.pkl", sha256=SHA256[:8]) == SHA256
    with pytest.raises(DownloadError, match="is right"):
        get(served(Plan(OTHER)), tmp_path / "other.pkl", sha256=SHA256[:8])


def test_a_server_that_is_not_there_is_named_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match="cannot be reached"):
        get(f"http://127.0.0.1:{port}/file.pkl", tmp_path / "file.pkl")
    with pytest.raises(DownloadError, match="cannot be reached"):
        get("http://nowhere.invalid/file.pkl", tmp_path / "file.pkl")
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(60))  # a resolver that hangs
    start = time.monotonic()
    with pytest.raises(DownloadError, match="no answer within"):
        get(("http://a.invalid/x", "http://b.invalid/x", "http://c.invalid/x"), tmp_path / "file.pkl", QUICK)
    assert time.monotonic() - start < BOUND
    released.set()


def test_only_http_and_https_are_fetched(tmp_path: Path):
    for address in ("file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd", "data:,x"):
        with pytest.raises(DownloadError, match="no address of http or https"):
            open_stream(address, answer=1.0, silence=1.0)


def test_a_full_disk_is_refused_before_the_download(served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    address = served(plan := Plan())
    with pytest.raises(DownloadError, match="MB left; make room"):
        get(address, tmp_path / "file.pkl")
    assert len(plan.seen) == 1
    assert left_behind(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="GANVAS_HOME"):
        get("http://127.0.0.1:1/x", tmp_path / "file" / "models" / "file.pkl")


FETCH = """
import sys
from pathlib import Path
from ganvas.checkpoints.fetch import Remote, download
print(*download(Remote("file.pkl", (sys.argv[1],)), Path(sys.argv[2])))
"""


def test_two_processes_take_turns(served, tmp_path: Path):
    address = served(plan := Plan(cuts=[50_000]))
    command = [sys.executable, "-c", FETCH, address, str(tmp_path / "file.pkl")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[0].split(maxsplit=1) for process in both]
    assert [words[0] for words in told] == [SHA256, SHA256]
    assert sorted(words[1].strip() for words in told) == ["another process", address]
    assert len(plan.seen) == 2  # one of them, and its resumption
    assert left_behind(tmp_path) == ["file.pkl"]


def test_a_note_that_was_damaged_is_not_believed(served, tmp_path: Path):
    for note in ("[]", "{", json.dumps({"address": "http://other/x", "validator": '"one"'})):
        (tmp_path / "file.pkl.part").write_bytes(OTHER[:50_000])
        (tmp_path / "file.pkl.part.json").write_text(note)
        assert get(served(Plan()), tmp_path / "file.pkl") == SHA256
        (tmp_path / "file.pkl").unlink()


def test_files_fetched_by_hand_are_checked_before_they_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, target = tmp_path / "given.pkl", tmp_path / "cache" / "file.pkl"
    source.write_bytes(CONTENT)
    assert copy_in(source, target, Remote("file.pkl", (), len(CONTENT), SHA256)) == SHA256
    assert target.read_bytes() == CONTENT
    for known in ({"bytes": 7}, {"sha256": "00"}):
        with pytest.raises(DownloadError, match=r"is not file\.pkl: it has 100000 bytes"):
            copy_in(source, tmp_path / "cache" / "other.pkl", Remote("file.pkl", (), **known))
    with pytest.raises(DownloadError, match="cannot be read"):
        copy_in(tmp_path / "nowhere", target, Remote("file.pkl", ()))
    monkeypatch.setattr(fetching, "SPARE", 1 << 60)
    with pytest.raises(DownloadError, match="make room"):
        copy_in(source, tmp_path / "cache" / "other.pkl", Remote("file.pkl", ()))
    assert left_behind(tmp_path / "cache") == ["file.pkl"]
