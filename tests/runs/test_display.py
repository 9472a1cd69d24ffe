"""How a command talks."""

import pytest

from manual_vs_auto.runs.display import Display, Words


def test_a_bar_is_stopped_before_a_warning(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stopped = []
    monkeypatch.setattr(Display, "_stop", lambda _: stopped.append(1))
    with Display(Words("epoch", 1, str, str), json=False, quiet=False) as display:
        display.warn("so")
        display.lines("one", "two")
    assert (len(stopped), *capsys.readouterr()) == (3, "one\ntwo\n", "warning: so\n")
