"""Strong edits and identity over the protocol, without a browser."""

import threading

import pytest
import torch

import ganvas
from ganvas.edits.correct import CorrectedEdit
from ganvas.studio.handlers.drags import stop
from tests.studio.socket import Socket
from tests.studio.test_protocol import client, guard, sessions, socket  # noqa: F401 - fixtures


@pytest.fixture
def edited(socket) -> Socket:  # noqa: F811
    socket.do("region.draw", how="new", shape={"kind": "text", "text": "left"}).until("strips")
    socket.do("edit.direction", index=0, amount=3)
    while not socket.until("state")["operations"]:
        pass
    return socket


def until_method(socket: Socket, name: str) -> None:  # noqa: F811
    """Wait for a state in which the edit goes by a method."""
    while socket.until("state")["operations"][0]["method"] != name:
        pass


@pytest.mark.slow
def test_a_corrected_edit_is_shown_as_the_library_renders_it(edited, sessions, model_file):  # noqa: F811
    (session,) = sessions.open.values()
    straight = session.image
    edited.do("edit.method", index=0, method="corrected")
    while not session.states.ways or session.rested.recipe is not session.recipe:  # the straight one is shown first
        edited.until("state")
    (operation,) = session.recipe.operations
    assert isinstance(operation.change.method, CorrectedEdit)
    assert torch.equal(session.image, ganvas.render(ganvas.load(model_file), session.recipe))
    assert not torch.equal(session.image, straight)
    ways = dict(session.states.ways)
    edited.do("edit.amount", index=0, amount=5)
    while edited.until("state")["operations"][0]["amount"] != pytest.approx(5, abs=1e-4):
        pass
    assert session.states.ways == ways  # another strength needs no other Jacobian
    assert torch.equal(session.image, ganvas.render(ganvas.load(model_file), session.recipe))


def test_a_strong_edit_that_is_stopped_is_undone(edited, sessions, monkeypatch):  # noqa: F811
    (session,) = sessions.open.values()
    version = session.document.current

    def endless(self, generator, latent, direction, layers, progress=None):
        while True:
            progress("Computing derivatives", 1, 2)

    monkeypatch.setattr(CorrectedEdit, "way", endless)
    until_method(edited.do("edit.method", index=0, method="corrected"), "corrected")
    until_method(edited.do("stop"), "straight")
    assert session.document.current == version


def test_a_strong_edit_that_is_stopped_before_it_begins_is_computed_nowhere(edited, sessions, monkeypatch):  # noqa: F811
    (session,) = sessions.open.values()
    version, begun, stopped = session.document.current, list[int](), threading.Event()

    def noted(self, generator, latent, direction, layers, progress=None):
        begun.append(1)
        progress("Computing derivatives", 1, 2)
        raise AssertionError("it goes on although it was stopped")

    def stop_it(job):
        assert session.document.current != version
        stop(session, {})
        stopped.set()

    submitted = session.submit

    def stopped_first(work, label="", *others, **more):
        if label == "Strong edit":  # a person is quicker than the queue
            submitted(stop_it)
        return submitted(work, label, *others, **more)

    monkeypatch.setattr(CorrectedEdit, "way", noted)
    monkeypatch.setattr(session, "submit", stopped_first)
    edited.do("edit.method", index=0, method="corrected")
    assert stopped.wait(60)
    assert session.document.current == version
    edited.do("refresh").until("likeness")
    assert not begun


def test_a_region_that_grows_over_everything_leaves_its_edits_as_they_were(edited, sessions):  # noqa: F811
    (session,) = sessions.open.values()
    edited.do("refresh").until("likeness")
    version, image, recipe = session.document.current, session.image, session.recipe
    edited.socket.send_text('{"do": "region.grow", "radius": 0.52}')
    assert "covers the whole image" in edited.until("error")["text"]
    edited.do("heat", on=False).until("state")
    assert session.document.current == version
    assert session.recipe is recipe
    assert torch.equal(session.image, image)
    edited.do("edit.amount", index=0, amount=2)
    while edited.until("state")["current"] != version + 1:
        pass


def test_an_unknown_way_is_refused(edited):
    edited.socket.send_text('{"do": "edit.method", "index": 0, "method": "../x"}')
    assert "straight, corrected, followed" in edited.until("error")["text"]


def test_the_likeness_of_an_edited_image_is_measured(edited, sessions):  # noqa: F811
    (session,) = sessions.open.values()
    said = edited.do("refresh").until("likeness")
    measure = session.shared.models.likeness(session.model)
    assert said["name"] == measure.name
    assert said["value"] == pytest.approx(measure.measure(session.image, session.before_of(session.recipe)))
    assert said["value"] > 0
