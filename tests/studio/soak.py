"""Several pages at once that do anything a person might, for as long as one likes.

`python -m tests.studio.soak faces 600` runs eight pages for ten minutes and says what it saw; the test runs a small
generator for seconds.
"""

import random
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from starlette.testclient import TestClient

from ganvas.edits.render import render
from ganvas.studio.app import make_app
from ganvas.studio.engine import Job, Urgency
from ganvas.studio.guard import Guard
from ganvas.studio.models import Models
from ganvas.studio.sessions import Sessions
from tests.studio.socket import ORIGIN, PORT, Socket

PAGES = 8
PAUSE = 2.0  # seconds, on average, that a person looks before the next action
SILENT = {"drag.start", "drag.pause", "stop"}  # which, as a moving slider, answer without the page's state
MEBIBYTE = 2**20


@dataclass
class Seen:
    """What a soak saw: how often each action was done, refusals of the library, bytes of memory at times; those of the
    Jacobians, which have a bound of their own, aside.
    """

    actions: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        done = ", ".join(f"{name} {count}" for name, count in self.actions.most_common())
        said = "; ".join(f"{count} times {text}" for text, count in self.refused.most_common()) or "nothing"
        tenths = [self.memory[len(self.memory) * i // 10] // MEBIBYTE for i in range(10)] if self.memory else []
        memory = f"MiB without Jacobians by tenth of the time: {tenths}"
        return f"{self.actions.total():,} actions: {done}.\nRefused: {said}.\n{memory}."


def soak(pages: Sequence[Socket], sessions: Sessions, seconds: float, pause: float = 0.0) -> list[Seen]:
    """Let pages do anything at once for some seconds, each with pauses of up to twice `pause` seconds between; returns
    what each saw. Fails at an error that is no refusal of something impossible.
    """
    end, seen = time.monotonic() + seconds, [Seen() for _ in pages]

    def use(number: int) -> None:
        state, chance = pages[number].until("state"), random.Random(number)
        while time.monotonic() < end:
            action, content = _action(chance, state)
            seen[number].actions[action] += 1
            seen[number].memory.append(_resident() - sessions.jacobians.bytes)
            pages[number].do(action, **content)
            if action in SILENT or content.get("live"):
                pages[number].do("heat", on=False)
            answer = pages[number].until("state", seen[number].refused)
            state = answer if answer["type"] == "state" else state
            time.sleep(chance.uniform(0, 2 * pause))

    with ThreadPoolExecutor(len(pages)) as people:
        list(people.map(use, range(len(pages))))  # raises what one of them raised
    return seen


def joined(seen: Sequence[Seen]) -> Seen:
    """Return what all pages saw together; memory is that of the first."""
    actions, refused = sum((one.actions for one in seen), Counter()), sum((one.refused for one in seen), Counter())
    return Seen(actions, refused, seen[0].memory)


def settled(pages: Sequence[Socket], sessions: Sessions) -> None:
    """Wait until nothing that changes documents runs, and fail unless each page shows what its recipe renders to."""
    for page in pages:
        page.do("stop")
    done = threading.Event()
    sessions.engine.submit(Job("the soak", "", lambda job: done.set(), Urgency.ASKED))
    assert done.wait(120)
    for page in pages:
        page.do("refresh")
        while page.until("state", Counter())["type"] != "state":
            pass  # a refusal that was not read yet
    for session in sessions.open.values():
        assert session.image is not None
        assert torch.equal(session.image, render(session.painter, session.recipe))


def _action(chance: random.Random, state: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return something that a person might do next."""
    x, y = chance.uniform(0.2, 0.6), chance.uniform(0.2, 0.6)
    box = {"kind": "box", "left": x, "top": y, "right": x + 0.3, "bottom": y + 0.2}
    possible: list[tuple[str, dict[str, Any]]] = [
        *[("region.draw", {"how": "new" if len(state["areas"]) < 5 else "add", "shape": box})] * 2,
        *[("undo", {}), ("redo", {}), ("heat", {"on": chance.random() < 0.3})],
        ("go", {"version": chance.randrange(len(state["versions"]))}),
    ]
    if state["chosen"] is not None:
        possible += [("region.invert", {}), ("region.grow", {"radius": 0.02}), ("region.feather", {"radius": 0.03})]
        if state["search"]["ready"]:
            possible += [("edit.direction", {"index": chance.randrange(6), "amount": 3})] * 4
    if state["operations"]:
        index = chance.randrange(len(state["operations"]))
        amount = {"index": index, "amount": chance.uniform(-5, 5), "live": chance.random() < 0.7}
        possible += [("edit.amount", amount)] * (6 if state["operations"][index]["kind"] == "move" else 0)
        possible += [("edit.enable", {"index": index, "on": chance.random() < 0.5}), ("edit.delete", {"index": index})]
        possible += [("edit.confine", {"index": index, "on": chance.random() < 0.7})]
    if chance.random() < 0.03:
        possible = [("open.seed", {"seed": chance.randrange(50), "keep": chance.random() < 0.5})]
    elif chance.random() < 0.1:
        pairs = [[[x, y], [x + 0.05, y]]]
        possible = [("drag.start", {"pairs": pairs, "steps": 10}), ("stop", {}), ("drag.pause", {})]
    return chance.choice(possible)


def _resident() -> int:
    """Return the bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main(model: str, seconds: float) -> None:
    """Run a soak and print what it saw."""
    torch.set_num_threads(1)
    models, guard = Models(torch.device("cpu")), Guard(PORT)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sessions = Sessions(models, Path(folder), model)
        client = stack.enter_context(TestClient(make_app(sessions, guard), base_url=ORIGIN))
        pages = [stack.enter_context(Socket.opened(client, guard)) for _ in range(PAGES)]
        print(joined(soak(pages, sessions, seconds, PAUSE)), flush=True)
        settled(pages, sessions)
        print("Each page shows what its recipe renders to.")
    sessions.forget_after = 0.0
    sessions.forget_old()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    held, most = sessions.jacobians.bytes // MEBIBYTE, sessions.jacobians.most // MEBIBYTE
    print(f"{len(sessions.open)} sessions are left; Jacobians {held} of {most} MiB; {peak} MiB at most.")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
