"""Directions under a name, and drags that wait, over the protocol, without a browser."""

import json

import pytest
import torch

from ganvas.directions.files import load_directions
from tests.studio.socket import ORIGIN, Socket
from tests.studio.test_protocol import client, guard, sessions, socket  # noqa: F401 - fixtures


@pytest.fixture
def session(socket, sessions):  # noqa: F811
    (session,) = sessions.open.values()
    socket.do("region.draw", how="new", shape={"kind": "text", "text": "left"}).until("strips")
    return session


def error(socket: Socket, action: str, **content) -> str:  # noqa: F811
    socket.socket.send_text(json.dumps({"do": action, **content}))
    return socket.until("error")["text"]


def until_saved(socket: Socket, names: list[str]) -> None:  # noqa: F811
    while socket.until("state")["saved"] != names:
        pass


def test_directions_are_saved_by_name_and_loaded_for_another_region(client, guard, socket, session):  # noqa: F811
    vectors = session.row.directions.vectors
    until_saved(socket.do("saved.save", name="smile", index=1), ["smile"])
    assert "already" in error(socket, "saved.save", name="smile")
    assert "write one" in error(socket, "saved.save", name="  ")
    socket.do("region.draw", how="new", shape={"kind": "text", "text": "right"}).until("strips")
    socket.do("saved.load", name="smile")
    while socket.until("row")["row"]["source"] != "smile":
        pass
    assert torch.equal(session.row.directions.vectors, vectors[1:2])
    client.get(f"/?token={guard.token}")
    offered = socket.do("saved.fetch", name="smile").until("download")
    assert offered["name"] == "smile.safetensors"
    assert client.get(offered["url"]).content == (session.shared.folder / "directions/smile.safetensors").read_bytes()
    until_saved(socket.do("saved.delete", name="smile"), [])


def test_no_path_of_the_page_is_opened(socket, session, tmp_path):  # noqa: F811
    outside = session.row.directions.save(tmp_path / "outside.safetensors")
    for name in ("../../outside", str(outside), "../directions/x", "", None, ["a"]):
        assert "no directions" in error(socket, "saved.load", name=name)
        assert "no directions" in error(socket, "saved.delete", name=name)
    assert outside.is_file()
    socket.do("saved.save", name="../../etc/evil.name")
    while not (saved := socket.until("state")["saved"]):
        pass
    assert all("/" not in name and "." not in name for name in saved)
    assert len(list((session.shared.folder / "directions").iterdir())) == 1


def test_a_dropped_file_of_directions_is_known_from_a_latent(client, guard, socket, session, tmp_path):  # noqa: F811
    path = session.row.directions.save(tmp_path / "dropped.safetensors")
    client.get(f"/?token={guard.token}")
    given = {"content": path.read_bytes(), "headers": {"origin": ORIGIN}}
    client.post(f"/upload/latent/{session.id}?name=dropped.safetensors", **given)
    while socket.until("row")["row"]["source"] != "dropped":
        pass
    assert torch.equal(session.row.directions.vectors, load_directions(path).vectors)


@pytest.fixture
def paused(socket, sessions):  # noqa: F811
    """The session of a drag that is paused."""
    (session,) = sessions.open.values()
    socket.do("drag.start", pairs=[[[0.3, 0.5], [0.7, 0.5]]], steps=2000).until("handles")
    socket.do("drag.pause")
    while not socket.until("state")["paused"]:
        pass
    return session


def test_a_paused_drag_goes_on_where_it_was(socket, paused):  # noqa: F811
    run = paused.dragging.run
    steps = run.state.steps
    assert 0 < steps == len(run.path)
    assert paused.document.current == 0
    socket.do("drag.resume")
    while run.state.steps < steps + 3 and not run.state.reason:
        socket.until("handles")
    socket.do("stop")
    while not (operations := socket.until("state")["operations"]):
        pass
    assert operations[0]["kind"] == "drag"
    assert paused.dragging is None
    assert len(run.path) > steps
    assert "No drag is paused" in error(socket, "drag.resume")


def test_a_paused_drag_can_be_kept_where_it_is(socket, paused):  # noqa: F811
    steps = paused.dragging.run.state.steps
    assert socket.do("stop").until("dragged")["steps"] == steps
    assert len(paused.recipe.operations) == 1
