"""The rows of the zoo are sound, and a file of the zoo is checked whenever it is used."""

import hashlib
import json
import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path

import platformdirs
import pytest
from platformdirs import windows
from platformdirs.macos import MacOS
from platformdirs.unix import Unix

import ganvas
from ganvas.checkpoints import zoo
from ganvas.checkpoints.fetch import Patience, Remote
from ganvas.errors import DownloadError
from ganvas.io import cache
from ganvas.regions.named import SETS
from tests.checkpoints.unreliable import CONTENT, Plan, no_proxies, serving

__all__ = ["no_proxies"]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ROWS = list(zoo.entries().values())
QUICK = Patience(answer=20.0, silence=10.0, attempts=2, pause=0.01)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own cache out of the tests."""
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GANVAS_OFFLINE", raising=False)
    return tmp_path / "home"


def small_entry(address: str, sha256: str = "", beside: tuple[str, ...] = ()) -> zoo.ZooEntry:
    """Return a row that lies at `address`."""
    files = (
        Remote("g.pkl", (f"{address}/g.pkl",), sha256=sha256),
        *(Remote(name, (f"{address}/{name}",)) for name in beside),
    )
    return replace(zoo.entries()["stylegan2-cat"], name="small", files=files)


WANTED = [
    *(f"stylegan2-{name}" for name in ("ffhq", "car", "cat", "church", "horse", "bedroom")),
    *(f"stylegan2-ada-{name}" for name in ("ffhq", "metfaces", "afhqcat", "afhqdog", "afhqwild")),
    *(f"stylegan3-{kind}-{name}" for kind in "tr" for name in ("ffhq", "ffhqu", "metfaces", "afhqv2")),
    *(f"biggan-deep-{size}" for size in (128, 256, 512)),
    *(f"self-distilled-{name}" for name in ("lions", "dogs", "horses", "elephants")),
]


@pytest.mark.parametrize("name", WANTED)
def test_every_generator_that_people_ask_for_is_known(name: str):
    assert zoo.find(name) is not None


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.name)
def test_every_row_of_the_zoo_is_complete(entry: zoo.ZooEntry):
    assert re.fullmatch(r"[a-z0-9-]+", entry.name)
    assert entry.resolution in (128, 256, 512, 1024)
    assert all((entry.title, entry.label, entry.format, entry.data, entry.license, entry.license_label))
    assert re.search(r"arXiv:\d{4}\.\d{5}$", entry.paper)
    assert not entry.variant_of or entry.variant_of in zoo.entries()
    assert bool(entry.edit_layers) == bool(entry.edit_layers_source)
    assert re.fullmatch(r"(\d+-\d+)?", entry.edit_layers)
    for file in entry.files:
        assert Path(file.name).name == file.name
        assert all(address.startswith("https://") for address in file.addresses)
        assert len(set(file.addresses)) == len(file.addresses) > 0
        assert re.fullmatch(r"([0-9a-f]{8}|[0-9a-f]{64})?", file.sha256)
    assert all(region.mask(64, 64).max() > 0 for region in entry.regions.values())


def test_names_and_files_are_unique():
    names = [name for entry in ROWS for name in (entry.name, *entry.aliases)]
    assert len(set(names)) == len(names)
    addresses = [address for entry in ROWS for file in entry.files for address in file.addresses]
    assert len(set(addresses)) == len(addresses)


def test_rows_of_the_zoo_name_the_regions_of_their_data():
    for set_name, wanted in {
        "car": {"wheels", "body", "window"},
        "church": {"sky", "tower", "doors"},
        "bedroom": {"floor", "wall", "bed", "window"},
        "afhq": {"eyes", "nose", "mouth", "ears"},
        "ffhq": {"eyes", "nose", "mouth", "chin", "brows"},
    }.items():
        assert wanted <= SETS[set_name].keys()
    assert zoo.find("stylegan2-church").regions == SETS["church"]
    assert zoo.find("stylegan2-ada-ffhq").name == "stylegan2-ffhq"


def test_loading_never_downloads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(zoo, "download", lambda *_, **__: pytest.fail("a download"))
    with pytest.raises(DownloadError, match=r"not on this disk .*ganvas models fetch stylegan2-ffhq"):
        ganvas.load("stylegan2-ffhq")
    with pytest.raises(ganvas.CheckpointError, match=r"did you mean stylegan2-ffhq"):
        ganvas.load("stylegan2-ffqh")


@pytest.mark.slow
def test_a_fetched_generator_loads_by_name_and_knows_where_it_is_from(shared: Path, monkeypatch: pytest.MonkeyPatch):
    entry = replace(
        zoo.entries()["stylegan2-ffhq"], name="small", files=(Remote("g.pkl", ("https://a.invalid/g.pkl",)),)
    )
    monkeypatch.setattr(zoo, "entries", lambda: {"small": entry})
    zoo.place(entry, [shared / "conformance" / "stylegan2.pkl"])
    generator = ganvas.load("small")
    about = generator.about
    assert (about.name, about.edit_layers, set(about.regions)) == ("small", "4-7", set(SETS["ffhq"]))
    assert about.source["license"].startswith("Nvidia Source Code License")
    assert about.source["sha256"] == cache.sha256_of(entry.path(entry.files[0]))
    assert ganvas.info("small")["name"] == "small"


@pytest.mark.slow
def test_the_first_file_is_recorded_and_checked_ever_after(home: Path):
    with serving(plan := Plan()) as address:
        entry = small_entry(address)
        (path,) = zoo.fetch(entry, patience=QUICK)
        told = json.loads((home / "models" / "lock.json").read_text())["files"]["small/g.pkl"]
        assert (told["sha256"], told["bytes"], told["origin"]) == (SHA256, len(CONTENT), f"{address}/g.pkl")
        assert zoo.fetch(entry, patience=QUICK) == [path]
        assert len(plan.seen) == 1
        assert zoo.checked_path(entry) == path
        path.write_bytes(CONTENT[:-1] + b"!")
        with pytest.raises(DownloadError, match=f"but had {SHA256} when it was recorded"):
            zoo.checked_path(entry)
        path.unlink()
        plan.content = CONTENT[:-1] + b"!"
        with pytest.raises(DownloadError, match="when it was recorded"):
            zoo.fetch(entry, patience=QUICK)


@pytest.mark.slow
def test_a_copy_with_another_time_is_checked_again_and_taken():
    with serving(Plan()) as address:
        (path,) = zoo.fetch(entry := small_entry(address), patience=QUICK)
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)
    assert zoo.checked_path(entry) == path
    assert cache.recorded(path).modified == path.stat().st_mtime_ns


def test_a_file_put_there_by_hand_is_checked():
    entry = small_entry("https://a.invalid", sha256=SHA256)
    entry.folder.mkdir(parents=True)
    path = entry.path(entry.files[0])
    path.write_bytes(CONTENT)
    assert zoo.checked_path(entry) == path
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(DownloadError, match=f"but {SHA256} is right; delete it"):
        zoo.checked_path(entry)


@pytest.mark.slow
def test_files_that_lie_beside_a_generator_are_fetched_too(tmp_path: Path):
    with serving(Plan()) as address:
        entry = small_entry(address, beside=("beside.bin",))
        paths = zoo.fetch(entry, patience=QUICK)
    assert [path.name for path in paths] == ["g.pkl", "beside.bin"]
    assert entry.here
    assert entry.bytes == 2 * len(CONTENT)
    paths[1].unlink()
    assert not entry.here
    with pytest.raises(DownloadError, match=r"beside\.bin"):
        zoo.checked_path(entry)
    (tmp_path / "mine.bin").write_bytes(CONTENT)
    assert zoo.place(entry, [tmp_path / "mine.bin"]) == [paths[1]]
    assert zoo.checked_path(entry) == paths[0]


@pytest.mark.slow
def test_files_by_hand_must_be_the_recorded_ones(tmp_path: Path):
    entry = small_entry("https://a.invalid")
    (tmp_path / "one.pkl").write_bytes(CONTENT)
    (tmp_path / "two.pkl").write_bytes(pickle.dumps(b"two", protocol=3))
    zoo.place(entry, [tmp_path / "one.pkl"])
    with pytest.raises(DownloadError, match=f"(?s)sha256 {SHA256} is right.*remove 'small/g.pkl' from '.*lock.json'"):
        zoo.place(entry, [tmp_path / "two.pkl"])
    assert zoo.checked_path(entry).read_bytes() == CONTENT


@pytest.mark.slow
def test_an_unreadable_file_without_a_checksum_is_not_recorded(tmp_path: Path):
    """A page that was saved in place of the file would else be recorded, and the right file refused from then on."""
    entry = small_entry("https://a.invalid", beside=("config.json",))
    path, right = entry.path(entry.files[0]), tmp_path / "right.pkl"
    right.write_bytes(CONTENT)
    (tmp_path / "page.pkl").write_text("<html>sign in</html>")
    (tmp_path / "config.json").write_text("<html>sign in</html>")
    for name in ("page.pkl", "config.json"):
        with pytest.raises(DownloadError, match=f"{name}' is not .* and was not taken"):
            zoo.place(entry, [tmp_path / name])
    assert not entry.folder.exists()
    entry.folder.mkdir(parents=True)
    path.write_text("<html>sign in</html>")
    with pytest.raises(DownloadError, match="a web page"):
        zoo.checked_path(small_entry("https://a.invalid"))
    path.unlink()
    with serving(Plan(content=b"<html>sign in</html>")) as address, pytest.raises(DownloadError, match="a web page"):
        zoo.fetch(small_entry(address), patience=QUICK)
    assert not path.exists()
    assert zoo.place(entry, [right]) == [path]


@pytest.mark.parametrize("switch", ["option", "variable"])
def test_offline_fetch_is_refused_with_instructions(switch: str, monkeypatch: pytest.MonkeyPatch):
    if switch == "variable":
        monkeypatch.setenv("GANVAS_OFFLINE", "1")
    monkeypatch.setattr(zoo, "download", lambda *_, **__: pytest.fail("a download"))
    with pytest.raises(DownloadError, match="downloads are off"):
        zoo.fetch(small_entry("https://a.invalid"), offline=switch == "option")


def test_the_error_says_how_to_fetch_by_hand():
    entry = small_entry("http://127.0.0.1:1", sha256=SHA256)
    with pytest.raises(DownloadError) as caught:
        zoo.fetch(entry, patience=QUICK)
    for part in ("http://127.0.0.1:1/g.pkl", str(entry.path(entry.files[0])), SHA256, "--from FILE"):
        assert part in str(caught.value)
    with pytest.raises(DownloadError, match="no checksum of it is known"):
        zoo.fetch(small_entry("http://127.0.0.1:1"), patience=QUICK)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 2, "files": {}}', "\xff"])
def test_a_damaged_lock_file_is_refused(text: str):
    cache.models_folder().mkdir(parents=True)
    cache.lock_path().write_text(text, "latin-1")
    with pytest.raises(DownloadError, match=r"lock\.json"):
        cache.recorded(cache.models_folder() / "a" / "b")
    cache.lock_path().write_text('{"version": 1, "files": {"a/b": {"sha256": "0"}, "c/d": 3}}')
    for name in ("a/b", "c/d"):
        with pytest.raises(DownloadError, match="damaged"):
            cache.recorded(cache.models_folder() / name)


def test_cache_folder_follows_the_platform_unless_a_home_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("GANVAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(platformdirs, "PlatformDirs", Unix)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.home() == tmp_path / ".cache" / "ganvas"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.home() == tmp_path / "xdg" / "ganvas"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(platformdirs, "PlatformDirs", MacOS)
    assert cache.home() == tmp_path / "Library" / "Caches" / "ganvas"
    monkeypatch.setattr(windows, "get_win_folder", {"CSIDL_LOCAL_APPDATA": str(tmp_path / "local")}.get)
    monkeypatch.setattr(platformdirs, "PlatformDirs", windows.Windows)
    assert cache.home() == tmp_path / "local" / "ganvas"
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "mine"))
    assert cache.home() == tmp_path / "mine"


@pytest.mark.parametrize(("value", "expected"), [("", False), ("0", False), ("No", False), ("1", True), ("yes", True)])
def test_the_offline_switch_reads_yes_and_no(value: str, expected: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANVAS_OFFLINE", value)
    assert cache.is_offline() is expected


def test_a_home_folder_of_an_unknown_user_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANVAS_HOME", "~nobody-has-this-name/ganvas")
    with pytest.raises(DownloadError, match="no such home folder"):
        cache.home()


@pytest.mark.slow
def test_a_read_only_cache_still_serves_files_of_known_checksum(monkeypatch: pytest.MonkeyPatch):
    """Such as one that a machine's users share."""
    entry = small_entry("https://a.invalid", sha256=SHA256)
    entry.folder.mkdir(parents=True)
    entry.path(entry.files[0]).write_bytes(CONTENT)

    def refuse(*_: object) -> None:
        raise DownloadError("cannot be written")

    monkeypatch.setattr(cache, "record", refuse)
    assert zoo.checked_path(entry) == entry.path(entry.files[0])
    with pytest.raises(DownloadError, match="cannot be written"):
        zoo.checked_path(small_entry("https://a.invalid"))
