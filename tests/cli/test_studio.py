"""``ganvas studio`` says what is wrong before it serves anything."""

import socket

import pytest

pytest.importorskip("uvicorn", reason="needs the extra studio")


def test_a_missing_package_is_named(run, monkeypatch):
    monkeypatch.setattr("ganvas.cli.studio.find_spec", lambda name: None)
    outcome = run("studio")
    assert outcome.code == 2
    assert 'pip install "ganvas[studio]"' in outcome.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("nothing-like-it",), "There is no generator"),
        (("small", "--models", "no-such-folder"), "There is no folder"),
        (("small", "--port", "70000"), "--port"),
    ],
    ids=str,
)
def test_wrong_input_ends_in_two_lines(run, small_model, options, said):
    given = [small_model if one == "small" else one for one in options]
    outcome = run("studio", *given, "--no-browser")
    assert outcome.code == 2
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_a_port_that_is_taken_is_refused(run, small_model):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        outcome = run("studio", small_model, "--no-browser", "--port", taken.getsockname()[1])
    assert outcome.code == 2
    assert "choose another --port" in outcome.err
