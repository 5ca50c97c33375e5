"""Candidates of a sketch over the protocol, without a browser."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.inversion.sketch.realness import choose_candidate
from tests.studio.test_protocol import client, guard, sessions, socket  # noqa: F401 - fixtures


def drawing() -> str:
    """Return a red square on transparency as the page sends it."""
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[16:48, 16:48] = 200, 40, 30, 255
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()


@pytest.mark.slow
def test_candidates_come_the_chosen_one_first_and_one_becomes_the_image(socket, sessions, monkeypatch):  # noqa: F811
    from ganvas.studio.handlers import sketches

    monkeypatch.setattr(sketches, "RANDOM", 4)
    (session,) = sessions.open.values()
    found = socket.do("sketch.candidates", image=drawing(), count=3, steps=3).until("candidates")["found"]
    assert len(found) == 3
    losses = [one["loss"] for one in found]
    assert choose_candidate(losses) == 0  # this generator has no discriminator: the loss decides
    assert losses == sorted(losses)
    socket.do("sketch.pick", index=1)
    while session.recipe.base is session.sketched.latent or not session.recipe.base.captions[0].startswith("sketch"):
        socket.until("state")
    assert torch.equal(session.recipe.base.codes, session.sketched.latent.codes[1:2])
    assert session.document.can_undo


def test_nothing_is_picked_where_nothing_was_found(socket):  # noqa: F811
    socket.socket.send_text('{"do": "sketch.pick", "index": 0}')
    assert "no candidates" in socket.until("error")["text"]
