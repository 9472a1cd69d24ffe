"""Signals that ask a run to end: none is lost, the first is heard in good order, a second one ends at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from manual_vs_auto.runs import signals

GENTLE = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As a command does, for this test alone."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    for name in ("_first", "_waiting", "_depth", "_listening", "_elsewhere", "_explain", "_end", "_patient"):
        monkeypatch.setattr(signals, name, getattr(signals, name))
    before = {number: signal.getsignal(number) for number in GENTLE}
    signals.listen()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    signals.heard.clear()


@pytest.mark.parametrize("number", GENTLE)
def test_the_first_is_raised_and_its_status_known(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    assert signals.heard.is_set()
    by_hand = number == signal.SIGINT
    assert (signals.status(), signals.said()) == ((130, "interrupted") if by_hand else (143, "terminated"))


@pytest.mark.parametrize("number", GENTLE)
def test_a_second_leaves_at_once(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also inside a block that is done as a whole, with its own status; its echo of the same moment does not."""
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(number)
    assert left == []
    monkeypatch.setattr(signals, "_first", (signals._first[0], time.monotonic() - 2 * signals._ECHO))
    with signals.held():
        signal.raise_signal(number)
    assert left == [130 if number == signal.SIGINT else 143]


def test_a_block_is_done_as_a_whole() -> None:
    done = []

    def block() -> None:
        with signals.held():
            with signals.held():
                signal.raise_signal(signal.SIGINT)
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["inner", "outer"]
    with signals.held():  # raised once
        done.append("again")


def test_what_goes_wrong_in_a_block_is_told_before_the_signal() -> None:
    def block() -> None:
        with signals.held():
            signal.raise_signal(signal.SIGINT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()
    assert signals.heard.is_set()


def test_a_patient_block_ends_first() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), signals.patient():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        signals.check()
        with signals.held():
            done.append("inside")
        done.append("the block")
    assert done == ["inside", "the block"]
    with pytest.raises(KeyboardInterrupt), signals.patient():
        pytest.fail("what was heard before is not waited for")


def test_a_patient_block_that_takes_long_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with signals.patient():
        pass
    with pytest.raises(KeyboardInterrupt), signals.patient():  # noqa: PT012
        signal.raise_signal(signal.SIGTERM)
        monkeypatch.setattr(signals, "_first", (signals._first[0], time.monotonic() - signals._SOON))
        signals.check()
        pytest.fail("it waits on")
    signals.heard.clear()
    with pytest.raises(KeyboardInterrupt):  # and behind it nothing is patient
        signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of several processes, which explain a KeyError."""
    signals.together(lambda error: OSError("why") if isinstance(error, KeyError) else error)


@pytest.mark.usefixtures("together")
def test_together_the_first_is_raised_where_all_agree_or_when_none_does(monkeypatch: pytest.MonkeyPatch) -> None:
    signal.raise_signal(signal.SIGTERM)
    signals.check()
    assert signals.heard.is_set()
    assert signals.status() == 143
    monkeypatch.setattr(signals, "_first", (signals._first[0], time.monotonic() - signals._PATIENCE))
    with pytest.raises(KeyboardInterrupt):
        signals.check()


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_another_process_has_heard_is_not_the_first_of_two(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler sends it to all, to one after the other; a second one to the same process ends it as ever."""
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    signals.hear(signal.SIGTERM)
    monkeypatch.setattr(signals, "_first", (signals._first[0], time.monotonic() - 2 * signals._ECHO))
    signal.raise_signal(number)
    assert left == []
    assert signals.status() == 143  # as all others
    monkeypatch.setattr(signals, "_first", (signals._first[0], time.monotonic() - 2 * signals._ECHO))
    signal.raise_signal(signal.SIGINT)
    assert left == [130]


def test_the_first_end_that_was_said_is_raised() -> None:
    signals.check_end()
    signals.end(OSError("first"))
    signals.end(OSError("second"))
    for check in (signals.check, signals.check_end):
        with pytest.raises(OSError, match="first"):
            check()


@pytest.mark.usefixtures("together")
def test_an_error_is_explained_together() -> None:
    assert str(signals.cause(KeyError())) == "why"
    error = ValueError()
    assert signals.cause(error) is error


def test_an_error_is_its_own_cause_alone() -> None:
    error = KeyError()
    assert signals.cause(error) is error


@pytest.mark.usefixtures("together")
def test_a_signal_that_another_has_taken_is_taken_back() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as the preemption notice of JAX's runtime does
    signals.together(lambda error: error)
    signal.raise_signal(signal.SIGTERM)
    assert signals.heard.is_set()


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.listen()
    signal.raise_signal(signal.SIGHUP)
    assert not signals.heard.is_set()


def test_a_signal_that_vanishes_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "__unraisablehook__", told.append)
    for kind in (KeyboardInterrupt, ValueError):
        sys.unraisablehook(type("Lost", (), {"exc_type": kind})())
    assert [lost.exc_type for lost in told] == [ValueError]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_ends_by_the_second(number: signal.Signals) -> None:
    """One that would not have ended by the first."""
    code = """
import sys, time
from manual_vs_auto.runs import signals
signals.listen()
with signals.held():
    print("held", flush=True)
    while not signals.heard.is_set():
        time.sleep(0.01)
    time.sleep(0.3)
    print("heard", flush=True)
    time.sleep(60)
"""
    running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    with running:
        assert running.stdout
        for line in (b"held\n", b"heard\n"):
            assert running.stdout.readline() == line
            running.send_signal(number)
        assert running.wait(timeout=30) == 128 + number
