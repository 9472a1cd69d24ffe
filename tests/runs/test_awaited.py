"""What is waited for, and left when a signal is heard."""

import threading
import time

import pytest

from manual_vs_auto.runs import awaited as awaited_module
from manual_vs_auto.runs import signals
from manual_vs_auto.runs.awaited import awaited


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Whether a signal was heard, for this test alone."""
    event = threading.Event()
    monkeypatch.setattr(signals, "heard", event)
    return event


def test_an_error_in_what_is_awaited_is_raised(heard: threading.Event) -> None:
    assert awaited(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        awaited(divmod, 7, 0)


def test_an_error_is_explained(heard: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """As several processes that work together do."""
    monkeypatch.setattr(signals, "_explain", lambda _: OSError("the other is gone"))
    with pytest.raises(OSError, match="the other is gone"):
        awaited(divmod, 7, 0)


def test_an_end_that_another_thread_says_is_raised(heard: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_end", None)
    ended = threading.Event()
    threading.Timer(awaited_module._HEARING / 2, signals.end, [OSError("the other is gone")]).start()
    with pytest.raises(OSError, match="the other is gone"):
        awaited(ended.wait, 60)
    ended.set()


def test_what_is_awaited_is_left_when_ctrl_c_is_heard(heard: threading.Event) -> None:
    ended = threading.Event()
    threading.Timer(awaited_module._HEARING / 2, heard.set).start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        awaited(ended.wait, 60)
    assert time.perf_counter() - start < 30
    ended.set()
