"""What the page saves, over the protocol, without a browser; each file is read back."""

import shlex

import pytest

from ganvas.images.pixels import read_image
from tests.studio.conftest import SIDE
from tests.studio.socket import Socket
from tests.studio.test_protocol import client, guard, sessions, socket  # noqa: F401 - fixtures


def fetched(client, socket: Socket, action: str, **content):  # noqa: F811
    """Return the bytes of the file that the page is offered after an action."""
    offered = socket.do(action, **content).until("download")
    answer = client.get(offered["url"])
    assert answer.status_code == 200
    return offered["name"], answer.content


def edited(client, guard, socket: Socket) -> Socket:  # noqa: F811
    client.get(f"/?token={guard.token}")
    socket.do("region.draw", how="new", shape={"kind": "text", "text": "left"}).until("strips")
    return socket.do("edit.direction", index=0, amount=3)


def test_the_strip_goes_from_before_to_after_in_five_images(client, guard, socket, sessions, tmp_path):  # noqa: F811
    name, data = fetched(client, edited(client, guard, socket), "export", what="strip")
    (tmp_path / name).write_bytes(data)
    strip, (session,) = read_image(tmp_path / name), sessions.open.values()
    assert strip.shape[-2:] == (SIDE, 5 * SIDE + 8)
    last = session.image.clamp(-1, 1)
    assert (strip[..., :SIDE] - session.before_of(session.recipe).clamp(-1, 1)).abs().max() <= 1 / 255 + 1e-6
    assert (strip[..., -SIDE:] - last).abs().max() <= 1 / 255 + 1e-6


def test_the_page_holds_every_direction_and_the_command_that_repeats_it(client, guard, socket, sessions):  # noqa: F811
    name, data = fetched(client, edited(client, guard, socket), "export", what="page")
    text = data.decode()
    assert name == "edit.html"
    assert text.count("<h2>") == 2  # the way from before to after, and the direction both ways
    (session,) = sessions.open.values()
    model = session.shared.models.files["small"]
    assert f"ganvas render edit.recipe --model {model} --out edit.png" in text
    assert "http:" not in text


def test_the_command_line_quotes_names_and_leaves_bundled_ones_out(socket, sessions):  # noqa: F811
    from ganvas.studio.state import command_of

    (session,) = sessions.open.values()
    for file in ("/a b/it's $(x).pkl", "-x.pkl"):
        session.shared.models.files["small"] = file
        assert shlex.split(command_of(session))[-4:] == ["--model", file, "--out", "edit.png"]
    session.shared.models.files["small"] = "faces"
    assert command_of(session) == "ganvas render edit.recipe --out edit.png"


@pytest.mark.slow
def test_films_are_written_in_each_format(client, guard, socket):  # noqa: F811
    edited(client, guard, socket)
    for format, begins in (("gif", b"GIF89a"), ("webp", b"RIFF")):
        name, data = fetched(client, socket, "video", format=format, frames=3)
        assert name == f"edit.{format}"
        assert data.startswith(begins)
