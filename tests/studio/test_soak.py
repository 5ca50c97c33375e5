"""Several pages at once, doing anything: no error, nothing left behind, and each recipe renders to what was shown."""

import random
import time

import pytest
import torch

from ganvas.edits.render import render
from tests.studio.test_protocol import ORIGIN, PORT, Socket, client, guard, sessions  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow
PAGES, SECONDS = 8, 12.0


def actions(chance: random.Random, state: dict) -> tuple[str, dict]:
    """Return something that a person might do next."""
    count = len(state["operations"])
    box = {
        "kind": "box",
        "left": 0.1 * chance.randrange(5),
        "top": 0.2,
        "right": 0.8,
        "bottom": 0.5 + 0.1 * chance.randrange(4),
    }
    possible = [
        ("region.draw", {"how": "new" if len(state["areas"]) < 5 else "add", "shape": box}),
        ("undo", {}),
        ("redo", {}),
        ("open.seed", {"seed": chance.randrange(50), "keep": chance.random() < 0.5}),
        ("go", {"version": chance.randrange(len(state["versions"]))}),
    ]
    if count:
        index = chance.randrange(count)
        possible += [
            ("edit.amount", {"index": index, "amount": chance.uniform(-5, 5), "live": chance.random() < 0.7}),
            ("edit.enable", {"index": index, "on": chance.random() < 0.5}),
            ("edit.delete", {"index": index}),
        ]
    if state["chosen"] is not None and state["search"]["ready"]:
        possible += [("edit.direction", {"index": chance.randrange(6), "amount": 3})] * 3
    return chance.choice(possible)


def test_eight_pages_at_once_leave_nothing_behind(client, guard, sessions):  # noqa: F811
    headers = {"origin": ORIGIN, "host": f"127.0.0.1:{PORT}", "cookie": f"{guard.cookie}={guard.token}"}
    opened = [client.websocket_connect("/ws", headers=headers) for _ in range(PAGES)]
    pages = [Socket(one.__enter__()) for one in opened]
    states = [page.until("state") for page in pages]
    chance, end = random.Random(0), time.monotonic() + SECONDS
    while time.monotonic() < end:
        for number, page in enumerate(pages):
            action, content = actions(chance, states[number])
            page.do(action, **content)
            moving = action == "edit.amount" and content["live"]
            answer = page.until("image" if moving else "state")
            states[number] = states[number] if moving else answer
    for page in pages:
        page.do("refresh").until("state")
    for session in sessions.open.values():
        assert torch.equal(session.image, render(session.generator, session.recipe))
    for one in opened:
        one.__exit__(None, None, None)
    sessions.forget_after = 0.0
    sessions.forget_old()
    assert not sessions.open
    assert sessions.jacobians.bytes <= sessions.jacobians.most
