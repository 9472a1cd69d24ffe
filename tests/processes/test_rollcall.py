"""Who has come: in threads of this process, over loopback."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from manual_vs_auto.launch import free_port
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.processes import Asked, rollcall

ENOUGH, SHORT = 30.0, 1.0  # seconds: where all come, and where one does not


@pytest.fixture
def called() -> Callable[..., list[str]]:
    """What each of (process, of how many) is refused with; "" where it is not."""
    port = free_port()

    def ask(process: int, count: int, host: str, seconds: float) -> str:
        asked = Asked(f"{host}:{port}", count, process, seconds)
        start = time.monotonic()
        try:
            rollcall.answer(asked)
        except UsageError as error:
            return str(error).replace(str(port), "PORT")
        finally:
            assert time.monotonic() - start < seconds + 5
        return ""

    def call(*pairs: tuple[int, int], host: str = "127.0.0.1", seconds: float = ENOUGH) -> list[str]:
        with ThreadPoolExecutor(len(pairs)) as pool:
            return [done.result() for done in [pool.submit(ask, *pair, host, seconds) for pair in pairs]]

    call.port = port  # type: ignore[attr-defined]
    return call


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_all_come(called: Callable[..., list[str]], host: str) -> None:
    if host == "[::1]" and not socket.has_dualstack_ipv6():
        pytest.skip("there is no IPv6 here")
    for _ in range(2):  # the port is free again at once
        assert called((0, 3), (1, 3), (2, 3), host=host) == ["", "", ""]


def test_process_0_may_come_last(called: Callable[..., list[str]]) -> None:
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(called, (1, 2))
        time.sleep(0.25)
        assert called((0, 2)) == [""]
        assert other.result() == [""]


def test_one_that_does_not_come_is_named(called: Callable[..., list[str]]) -> None:
    assert called((0, 4), (2, 4), seconds=SHORT) == ["processes 1, 3 of 4 did not come within 1 s"] * 2


def test_nobody_listens(called: Callable[..., list[str]]) -> None:
    line = "--coordinator 127.0.0.1:PORT: process 1 waited 1 s for process 0: Connection refused"
    assert called((1, 2), seconds=SHORT) == [line]


@pytest.mark.parametrize("slow", [False, True])
def test_a_host_that_does_not_resolve(
    called: Callable[..., list[str]], slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where that takes longer than there is time."""
    ended = threading.Event()

    def look_up(*_: object) -> None:
        ended.wait(30 if slow else 0)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    why = "it does not answer" if slow else "Name or service not known"
    line = f"--coordinator 127.0.0.1:PORT: process 1 waited 1 s for process 0: {why}"
    assert called((1, 2), seconds=SHORT) == [line]
    ended.set()


@pytest.mark.parametrize("counts", [(3, 2), (2, 3)])
def test_another_number_of_processes(called: Callable[..., list[str]], counts: tuple[int, int]) -> None:
    line = f"process 0 has --num-processes {counts[0]}, and process 1 has {counts[1]}"
    assert called((0, counts[0]), (1, counts[1])) == [line] * 2


def test_the_same_number_twice(called: Callable[..., list[str]]) -> None:
    assert called((0, 3), (1, 3), (1, 3)) == ["two processes have --process-id 1"] * 3


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_port_in_use(called: Callable[..., list[str]], host: str) -> None:
    """Also by one that would share it, as gRPC's do: then two runs would meet in one."""
    with socket.socket() as other:
        if hasattr(socket, "SO_REUSEPORT"):
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((host, called.port))  # type: ignore[attr-defined]
        other.listen()
        line = "--coordinator 127.0.0.1:PORT: process 0 can't listen there: Address already in use"
        assert called((0, 2)) == [line]


@pytest.mark.parametrize("said", [b"\0\0\x12\x04\0\0\0\0\0\n", b"x" * 5000])
def test_what_answers_is_something_else(called: Callable[..., list[str]], said: bytes) -> None:
    with socket.create_server(("127.0.0.1", called.port)) as other:  # type: ignore[attr-defined]

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        assert called((1, 2)) == ["--coordinator 127.0.0.1:PORT: what answers there is no process 0 that starts"]


def test_a_stranger_is_left_alone(called: Callable[..., list[str]]) -> None:
    """One that says nothing, one that says too much, one that stops halfway; one of ours comes again."""
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(called, (0, 3))
        at = ("127.0.0.1", called.port)  # type: ignore[attr-defined]
        until = time.monotonic() + ENOUGH
        said = [b"", b"x" * 10_000, b"GET / HTTP/1.1\r\n", b"manual_vs_auto: process 1 of 3",
                b"manual_vs_auto: process 1 of 3\n"]  # fmt: skip
        while said and time.monotonic() < until:
            try:
                with socket.create_connection(at) as stranger:
                    stranger.sendall(said[0])
                said.pop(0)
            except ConnectionRefusedError:
                time.sleep(0.01)
        assert not said
        assert called((1, 3), (2, 3)) == ["", ""]
        assert first.result() == [""]
