"""Several pages at once, doing anything: no error, nothing left behind, and each recipe renders to what was shown."""

from contextlib import ExitStack

import pytest

from tests.studio.soak import PAGES, settled, soak
from tests.studio.socket import Socket
from tests.studio.test_protocol import client, guard, sessions  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow
SECONDS = 12.0


def test_eight_pages_at_once_leave_nothing_behind(client, guard, sessions):  # noqa: F811
    with ExitStack() as stack:
        pages = [stack.enter_context(Socket.opened(client, guard)) for _ in range(PAGES)]
        seen = soak(pages, sessions, SECONDS, pause=0.3)
        settled(pages, sessions)
    assert all(one.actions.total() > 2 for one in seen)
    sessions.forget_after = 0.0
    sessions.forget_old()
    assert not sessions.open
    assert sessions.jacobians.bytes <= sessions.jacobians.most
