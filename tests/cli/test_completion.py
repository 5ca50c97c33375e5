"""Tab completion: a script for each shell, with every command and option."""

from pathlib import Path

import pytest
from cyclopts.completion.detect import ShellDetectionError

from ganvas.cli import COMMANDS, INSTALL_COMPLETION, main


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_written_for_the_shell(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "ganvas-completion"
    assert main([INSTALL_COMPLETION, "--shell", shell, "--output", str(path)]) == 0
    script = path.read_text("utf-8")
    assert all(name in script for name in (*COMMANDS, "truncation", "overwrite"))


def test_an_unknown_shell_is_answered_by_what_to_type(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def unknown() -> None:
        raise ShellDetectionError

    monkeypatch.setattr("ganvas.cli.completion.detect_shell", unknown)
    assert main([INSTALL_COMPLETION]) == 2
    assert "--shell bash" in capsys.readouterr().err
