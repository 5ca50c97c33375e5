"""The queue of the studio, what it sends, and its document, without a server."""

import asyncio
import threading
import time

import pytest
import torch

import ganvas
from ganvas.edits.recipe import Recipe
from ganvas.errors import GanvasError
from ganvas.studio.document import Document
from ganvas.studio.engine import MOST_WAITING, Engine, Job, JobCanceledError, Urgency
from ganvas.studio.wire import FRAMES_PER_SECOND, Outbox


@pytest.fixture
def said():
    return []


@pytest.fixture
def engine(said):
    engine = Engine(lambda owners: None, lambda owner, text: said.append(text))
    yield engine
    engine.stop()


def job(work, urgency=Urgency.AT_ONCE, channel=None, label=""):
    return Job("a page", label, lambda one: work(one), urgency, channel)


def test_a_long_job_gives_way_to_urgent_ones_and_not_to_its_like(engine):
    order, begun, finished = [], threading.Event(), threading.Event()

    def long(one):
        begun.set()
        for step in range(50):
            time.sleep(0.005)
            one.progress("long", step, 50)
        order.append("long")
        finished.set()

    engine.submit(job(long, Urgency.BACKGROUND, label="long"))
    begun.wait(5)
    engine.submit(job(lambda one: order.append("background"), Urgency.BACKGROUND))
    engine.submit(job(lambda one: order.append("urgent")))
    finished.wait(5)
    engine.submit(job(lambda one: finished.clear()))
    while finished.is_set() or len(order) < 3:
        time.sleep(0.005)
    assert order == ["urgent", "long", "background"]


def test_a_job_with_a_time_begins_then_unless_another_takes_its_place(engine):
    order, finished = [], threading.Event()

    def later(name, seconds):
        work = lambda one: (order.append((name, time.monotonic())), finished.set())  # noqa: E731
        return Job("a page", "", work, Urgency.BACKGROUND, "exact", time.monotonic() + seconds)

    begun = time.monotonic()
    engine.submit(later("first", 0.05))
    engine.submit(later("second", 0.2))
    engine.submit(job(lambda one: order.append(("between", time.monotonic()))))
    assert finished.wait(5)
    assert [name for name, _ in order] == ["between", "second"]
    assert order[1][1] - begun >= 0.2


def test_the_newest_of_a_channel_replaces_what_waits_and_cancels_what_runs(engine):
    done, begun, release = [], threading.Event(), threading.Event()

    def first(one):
        begun.set()
        release.wait(5)
        try:
            one.check()
        except JobCanceledError:
            done.append("canceled")
            raise

    engine.submit(job(first, channel="slider"))
    begun.wait(5)
    last = threading.Event()
    for amount in range(5):
        engine.submit(job(lambda one, amount=amount: (done.append(amount), last.set()), channel="slider"))
    release.set()
    last.wait(5)
    assert done == ["canceled", 4]


def test_errors_are_said_and_the_engine_goes_on(engine, said, capsys):
    done = threading.Event()

    def fails(one):
        raise GanvasError("the region is empty")

    def breaks(one):
        raise KeyError("x")

    for work in (fails, breaks, lambda one: done.set()):
        engine.submit(job(work))
    assert done.wait(5)
    assert said[0] == "the region is empty"
    assert "Internal error" in said[1]
    assert "KeyError" in capsys.readouterr().err


def test_one_page_cannot_fill_the_queue(engine, said):
    release = threading.Event()
    for _ in range(MOST_WAITING + 5):
        engine.submit(job(lambda one: release.wait(5)))
    release.set()
    assert said
    assert "wait" in said[0]


def test_the_outbox_sends_the_newest_and_moving_images_at_most_fifteen_a_second():
    async def converse() -> list[tuple[str | bytes, float]]:
        outbox, got = Outbox(), []
        outbox.put("state", "lost, for nobody listens")
        outbox.connect(asyncio.get_running_loop())
        for number in range(100):
            outbox.put("image", f"image {number}", moving=True)
            outbox.put("state", f"state {number}")
        begun = time.monotonic()
        for _ in range(2):
            got.append((await outbox.next(), time.monotonic() - begun))
        outbox.put("image", "next", moving=True)
        outbox.put("state", "between")
        for _ in range(2):
            got.append((await outbox.next(), time.monotonic() - begun))
        return got

    got = asyncio.run(converse())
    assert [message for message, _ in got] == ["image 99", "state 99", "between", "next"]
    assert got[3][1] - got[0][1] > 0.9 / FRAMES_PER_SECOND


def test_undo_redo_and_branches_of_the_document():
    base = ganvas.Latent(torch.zeros(1, 4), "z")
    document = Document()
    document.start("seed", Recipe(base))
    first = document.change("one", recipe=Recipe(base)).number
    document.undo()
    second = document.change("two", recipe=Recipe(base)).number
    assert document.can_undo
    assert not document.can_redo
    document.undo()
    document.redo()
    assert document.current == second
    document.go(first)
    document.undo()
    document.redo()
    assert document.current == first  # redoing leads where somebody went last
    assert len(document.versions) == 3


def test_time_left_is_that_of_what_is_done_now(monkeypatch: pytest.MonkeyPatch):
    """A minute of preparation said 775 minutes for the 700 steps after it."""
    now = [100.0]
    monkeypatch.setattr("ganvas.studio.engine.time.monotonic", lambda: now[0])
    job = Job("a", "", lambda job: None, begun=now[0])
    assert job.seconds_left is None
    now[0] += 60
    job.progress("Preparing", 1, 1)
    job.progress("Inverting", 0, 700)
    assert job.seconds_left is None
    now[0] += 2
    job.progress("Inverting", 10, 700)
    assert job.seconds_left == pytest.approx(138)
    job.progress("Tuning", 300, 400)
    assert job.seconds_left is None
    now[0] += 5
    job.progress("Tuning", 350, 400)
    assert job.seconds_left == pytest.approx(5)
