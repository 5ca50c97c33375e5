"""The studio over its addresses, without a browser: who is let in, what is answered, what is refused."""

import json
from collections.abc import Iterator

import pytest
import torch

import ganvas
from ganvas.edits.recipe import Recipe

pytest.importorskip("fastapi", reason="needs the extra studio")
pytest.importorskip("httpx2", reason="needs the package httpx2")

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ganvas.studio.app import make_app
from ganvas.studio.guard import Guard
from ganvas.studio.models import Models
from ganvas.studio.sessions import Sessions
from ganvas.studio.store import read_session
from tests.studio.conftest import without_faces
from tests.studio.socket import ORIGIN, PORT, Socket


@pytest.fixture
def sessions(model_file, tmp_path, one_thread) -> Sessions:
    models = without_faces(Models(torch.device("cpu")))
    return Sessions(models, tmp_path / "studio", models.add(model_file, "small"))


@pytest.fixture
def guard() -> Guard:
    return Guard(PORT)


@pytest.fixture
def client(sessions, guard) -> Iterator[TestClient]:
    with TestClient(make_app(sessions, guard), base_url=ORIGIN) as client:
        yield client


@pytest.fixture
def socket(client, guard) -> Iterator[Socket]:
    with Socket.opened(client, guard) as one:
        one.until("state")
        yield one


def test_a_page_needs_the_token_and_gets_a_strict_cookie(client, guard):
    assert client.get("/").status_code == 403
    assert client.get("/static/main.js").status_code == 403
    assert client.get("/?token=wrong").status_code == 403
    answer = client.get(f"/?token={guard.token}", follow_redirects=False)
    assert answer.status_code == 303
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    page = client.get("/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert client.get("/static/main.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/static/../app.py").status_code in (403, 404)


@pytest.mark.parametrize(
    "changed",
    [{"host": "evil.example:8000"}, {"origin": "http://evil.example"}, {"cookie": "a=b"}, {"origin": "null"}],
    ids=str,
)
def test_pages_of_others_are_refused(client, guard, changed):
    headers = {"origin": ORIGIN, "host": f"127.0.0.1:{PORT}", "cookie": f"{guard.cookie}={guard.token}"} | changed
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws", headers=headers):
        pass
    assert client.get("/static/main.js", headers=headers).status_code == 403


def test_the_page_names_no_address_outside_and_holds_no_inline_code(client, guard):
    client.get(f"/?token={guard.token}")
    html = client.get("/").text
    assert "<style" not in html
    assert "style=" not in html
    assert "onclick" not in html
    assert html.count("<script") == html.count('<script type="module" src="/static/')


def test_a_region_a_direction_and_undo_make_the_library_s_recipe(socket, sessions, model_file):
    socket.do("region.draw", how="new", shape={"kind": "text", "text": "left"}).until("strips")
    socket.do("edit.direction", index=0, amount=3)
    image = socket.until("image")
    assert image["numbers"]["outside"] == 0 < image["numbers"]["inside"]
    (session,) = sessions.open.values()
    generator = ganvas.load(model_file)
    expected = ganvas.render(generator, session.recipe)
    assert torch.equal(session.image, expected)
    state = socket.until("state")
    assert [one["label"] for one in state["operations"]] == ["Direction of left"]
    socket.do("undo").until("state")
    assert torch.equal(session.image, ganvas.render(generator, Recipe(session.recipe.base)))


def test_the_other_sign_of_a_direction_is_no_second_edit(socket, sessions):
    """Two edits that cancel are what nobody asks for; another direction, or one after a change of region, is one."""
    socket.do("region.draw", how="new", shape={"kind": "text", "text": "left"}).until("strips")
    (session,) = sessions.open.values()

    def amounts(**content: object) -> list[float]:
        socket.do("edit.direction", **content).do("neighbors", first=0, count=1).until("neighbor")
        return [float(str(one.change.strength).rstrip("s")) for one in session.recipe.operations]

    assert amounts(index=1, amount=3) == [3]
    assert amounts(index=1, amount=-3) == [-3]
    assert amounts(index=0, amount=3) == [-3, 3]
    assert amounts(index=1, amount=3) == [-3, 3, 3]
    assert amounts(index=1, amount=2, free=True) == [-3, 3, 3, 2]


def test_work_on_another_generator_is_offered_at_once(socket, sessions):
    socket.do("region.draw", how="new", shape={"kind": "text", "text": "left"}).until("strips")
    socket.do("edit.direction", index=0, amount=3).until("state")
    socket.do("open.model", model="small")
    while not (offered := socket.until("recoverable")["sessions"]):
        pass
    assert offered[0]["versions"] == 3


def test_the_newest_of_several_amounts_is_kept(socket, sessions):
    socket.do("region.draw", how="new", shape={"kind": "text", "text": "right"}).until("strips")
    socket.do("edit.direction", index=1, amount=1).until("state")
    for amount in (2, 3, 4, 5):
        socket.do("edit.amount", index=0, amount=amount, live=amount < 5)
    while socket.until("state")["operations"][0]["amount"] != pytest.approx(5, abs=1e-4):
        pass
    (session,) = sessions.open.values()
    assert len(session.document.versions) == 4  # the image, the region, the direction, its last amount


def test_an_image_that_comes_back_gets_its_own_directions_again(socket, sessions):
    (session,) = sessions.open.values()
    socket.do("region.draw", how="new", shape={"kind": "text", "text": "left"}).until("strips")
    own = session.row.directions.vectors
    socket.do("open.seed", seed=9)
    while session.row is None or session.row.base is not session.recipe.base or session.recipe.base.seeds != (9,):
        socket.until("row")
    others = session.row.directions.vectors
    socket.do("undo").do("neighbors", first=0, count=1).until("neighbor")  # which is done once undoing is
    assert torch.equal(session.row.directions.vectors, own)
    assert not torch.equal(own, others)


def test_what_a_killed_server_left_of_a_version_is_not_taken_for_the_next_one(socket, sessions):
    socket.do("neighbors", first=0, count=1).until("neighbor")  # which is done once the session is saved
    (session,) = sessions.open.values()
    folder = sessions.folder / session.id
    for name in ("1.recipe", "1.areas"):
        (folder / name).write_text("of a version that no session.json names")
    socket.do("region.draw", how="new", shape={"kind": "text", "text": "left"}).until("state")
    socket.do("neighbors", first=0, count=1).until("neighbor")
    _, document, _ = read_session(folder)
    assert [area.name for area in document.now.areas] == ["left"]


BAD = [
    {"do": "open.seed", "seed": -1},
    {"do": "open.seed", "seed": "4"},
    {"do": "open.model", "model": "/etc/passwd"},
    {"do": "region.draw", "how": "new", "shape": {"kind": "text", "text": "mask:/etc/passwd"}},
    {"do": "region.draw", "how": "new", "shape": {"kind": "box", "left": 0}},
    {"do": "region.draw", "how": "new", "shape": {"kind": "brush", "points": [[float("1e999"), 0]], "radius": 1}},
    {"do": "region.draw", "how": "subtract", "shape": {"kind": "box", "left": 0, "top": 0, "right": 1, "bottom": 1}},
    {"do": "region.grow", "radius": 0.1},
    {"do": "edit.direction", "index": 0, "amount": 1},
    {"do": "edit.delete", "index": 3},
    {"do": "edit.rim", "rim": 7},
    {"do": "search.set", "space": "q"},
    {"do": "drag.start", "pairs": [[[0.5, 0.5], [2, 2]]]},
    {"do": "sketch.start", "image": "not base64!"},
    {"do": "export", "what": "../../x"},
    {"do": "upload.photo", "path": "/etc/passwd"},
    {"do": "part.click", "x": "a"},
    {"do": "nothing"},
    {},
]


def test_bad_messages_are_answered_and_change_nothing(socket, sessions):
    (session,) = sessions.open.values()
    for message in BAD:
        socket.socket.send_text(json.dumps(message))
        while True:
            answer = socket.socket.receive()
            content = json.loads(answer["text"]) if answer.get("text") else {}
            if content.get("type") == "error":
                break
        assert "Internal error" not in content["text"], (message, content)
    socket.socket.send_text("{")
    assert session.document.current == 0
    assert len(session.document.versions) == 1


def test_uploads_have_limits_and_names_that_are_no_paths(client, guard, socket, sessions, monkeypatch):
    from ganvas.studio import files

    monkeypatch.setitem(files.MOST_BYTES, "photo", 1000)
    client.get(f"/?token={guard.token}")
    (session,) = sessions.open.values()
    headers = {"origin": ORIGIN}
    assert (
        client.post(f"/upload/photo/{session.id}?name=a.png", content=bytes(1001), headers=headers).status_code == 413
    )
    assert client.post(f"/upload/virus/{session.id}?name=a.png", content=b"", headers=headers).status_code == 413
    assert client.post("/upload/photo/0123456789abcdef", content=b"", headers=headers).status_code == 404
    assert client.post(f"/upload/photo/{session.id}", content=b"").status_code == 403  # without an origin
    assert list((sessions.folder / "uploads").iterdir()) == []
    assert files.safe_name("../../etc/passwd") == "passwd"
    assert files.safe_name("..\\x\\..evil\x00.png") == "evil_.png"
    assert "/" not in files.safe_name("a/b:c*?.png")


def test_downloads_are_those_of_a_session_alone(client, guard):
    client.get(f"/?token={guard.token}")
    for name in ("..%2f..", "0123456789abcdef", "a"):
        assert client.get(f"/download/{name}/0123456789abcdef").status_code == 404


def test_a_page_that_comes_back_finds_its_session(client, guard, sessions):
    headers = {"origin": ORIGIN, "host": f"127.0.0.1:{PORT}", "cookie": f"{guard.cookie}={guard.token}"}
    with client.websocket_connect("/ws", headers=headers) as first:
        name = Socket(first).until("state")["session"]
        Socket(first).do("region.draw", how="new", shape={"kind": "text", "text": "left"}).until("mask")
    with client.websocket_connect(f"/ws?session={name}", headers=headers) as second:
        state = Socket(second).until("state")
        assert state["session"] == name
        assert [area["name"] for area in state["areas"]] == ["left"]
    with client.websocket_connect("/ws?session=../../x", headers=headers) as third:
        assert Socket(third).until("state")["session"] not in (name, "../../x")
