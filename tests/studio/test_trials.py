"""The same edits on other images, and previews of large ones, over the protocol, without a browser."""

from dataclasses import replace

import pytest
import torch

import ganvas
from ganvas.edits.recipe import Recipe
from tests.studio.test_protocol import client, guard, sessions, socket  # noqa: F401 - fixtures


@pytest.fixture
def session(socket, sessions):  # noqa: F811
    (session,) = sessions.open.values()
    socket.do("edit.from", seed=7, kind="toward", free=True)
    while not socket.until("state")["operations"]:
        pass
    return session


def test_seeds_are_shown_before_and_after_and_one_is_taken_with_the_edits(socket, session):  # noqa: F811
    socket.do("trials", first=2, count=2)
    assert [socket.until("trial")["name"] for _ in range(2)] == ["seed 2", "seed 3"]
    socket.do("trials.take", name="seed 3")
    while session.recipe.base.seeds != (3,):
        socket.until("state")
    assert len(session.recipe.operations) == 1
    expected = ganvas.render(session.generator, session.recipe)
    assert torch.equal(session.image, expected)
    assert not torch.equal(expected, ganvas.render(session.generator, Recipe(session.recipe.base)))


def test_latents_of_files_are_offered_first_and_what_is_gone_is_refused(socket, session):  # noqa: F811
    other = replace(ganvas.sample(session.generator, [9], truncation=0.5), seeds=(), names=("mine",))
    session.tried.append(other)
    (name,) = socket.do("trials", first=0, count=1).until("trials")["others"]
    assert socket.until("trial")["name"] == name
    socket.do("trials.take", name=name)
    while session.recipe.base is not other:
        socket.until("state")
    for gone in ("other 1", "seed -1", "seed 99999999999", "../x"):
        socket.socket.send_text(f'{{"do": "trials.take", "name": "{gone}"}}')
        assert "not here any more" in socket.until("error")["text"]


def test_previews_that_take_long_are_made_smaller_down_to_a_limit(session, monkeypatch):
    from ganvas.edits.preview import Previews
    from ganvas.studio import painting

    monkeypatch.setattr(painting, "LEAST_PREVIEW", 8)
    session.previews = Previews(16)
    assert session.preview_of(session.recipe).shape[-1] == 16
    monkeypatch.setattr(painting, "LONGEST_PREVIEW", 0.0)
    sides = [session.preview_of(session.recipe).shape[-1] for _ in range(3)]
    assert sides == [16, 8, 8]
