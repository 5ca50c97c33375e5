"""Sessions of the page: a lost connection, a killed server, a session that is gone."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow


def test_a_lost_connection_comes_back_to_the_same_work(page):
    page.mark("left").choose()
    edited, session = page.pixels(), page.ask("store.state.session")
    page.page.evaluate("() => window.sockets.at(-1).close()")
    page.wait("!store.connected", seconds=5)
    page.wait("store.connected")
    page.wait("store.images.image").settle()
    assert page.ask("store.state.session") == session
    assert torch.equal(page.pixels(), edited)
    page.slide(0, -5)
    assert not torch.equal(page.pixels(), edited)


def start(model: Path, home: Path, port: int = 0) -> tuple[subprocess.Popen, str]:
    command = [sys.executable, "-m", "ganvas", "studio", str(model), "--no-browser", "--port", str(port)]
    environment = {**os.environ, "GANVAS_HOME": str(home)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    found = re.search(r"http\S+", process.stdout.readline())
    return process, found.group()


def test_a_killed_server_loses_nothing_that_was_saved(browser, model_file, tmp_path):
    from tests.studio.conftest import Page

    context = browser.new_context()
    process, address = start(model_file, tmp_path)
    try:
        page = Page(context.new_page()).open(address)
        page.page.click("#welcome button")
        page.mark("left").choose()
        edited, session = page.pixels(), page.ask("store.state.session")
        page.page.wait_for_timeout(1500)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        page.wait("!store.connected")
        process, address = start(model_file, tmp_path)
        other = Page(context.new_page()).open(address)
        other.wait("store.recoverable.length === 1")
        other.page.click("#choose-image")
        other.page.click(f"[data-session='{session}']")
        other.wait(f"store.state && store.state.session === '{session}' && store.images.image").settle()
        assert torch.equal(other.pixels(), edited)
        assert other.ask("store.state.operations.length") == 1
        other.page.click("#undo")
        other.wait("store.state.operations.length === 0")
    finally:
        context.close()
        process.kill()
        process.communicate()


def test_a_session_that_is_gone_frees_its_memory_and_is_offered_again(page, open_page, served):
    page.mark("left").choose()
    session = page.ask("store.state.session")
    page.page.wait_for_timeout(500)
    served.sessions.forget_after = 0.0
    page.page.close()
    other = open_page(served.origin)
    assert session not in served.sessions.open
    other.wait("store.recoverable.length === 1")
    assert other.ask("store.recoverable[0].session") == session
