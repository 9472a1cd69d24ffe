"""Before JAX's runtime starts: have all processes come, and does each count them alike?

JAX aborts a process where its coordinator does not answer, where two have the same number, or where one counts more of
them than another; and two coordinators on one port go unnoticed. So process 0 listens on the coordinator's port first,
with a socket that shares it with nobody. Each other one says there which it is and how many it counts, in a line, and
gets its answer when all have come or one can't stay: then all of them end, with the same line.
"""

import os
import re
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial

from manual_vs_auto.runs import signals
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.processes.asked import Asked, is_loopback
from manual_vs_auto.runs.processes.waiting import finished

_COME, _REFUSED = "all have come", "refused: "
_GREETING = re.compile(rb"manual_vs_auto: process (\d{1,9}) of (\d{1,9})\n")
_LONGEST = 4096  # bytes of a line
_TOLD = 5  # processes that are named
_HEARING = 0.1  # seconds after which Ctrl-C is heard
_LATER = 1.0  # seconds that process 0 may have started later, and still says who did not come
_AGAIN = 0.2  # seconds after which process 0 is tried once more


def answer(asked: Asked) -> None:
    """Wait until all processes have come. Raises: UsageError, in each within --start-timeout."""
    until = time.monotonic() + asked.start_timeout
    if asked.process:
        _come(asked, until)
    else:
        _gather(asked, until)


def split(coordinator: str) -> tuple[str, int]:
    """The host, without the brackets of an IPv6 address, and the port."""
    host, _, port = coordinator.rpartition(":")
    return host.strip("[]"), int(port)


def bound_to(coordinator: str) -> str:
    """Where process 0 listens: for this machine alone where no other shall come, else on all its addresses."""
    return coordinator if is_loopback(coordinator) else f"[::]:{split(coordinator)[1]}"


def _gather(asked: Asked, until: float) -> None:
    """As process 0: hear all others, and answer them."""
    came: dict[int, socket.socket] = {}
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        listener = stack.enter_context(_listening(asked.coordinator))
        selector.register(listener, selectors.EVENT_READ)
        refused = ""
        while len(came) < asked.count - 1 and not refused:
            signals.check()
            if time.monotonic() > until:
                missing = sorted(set(range(1, asked.count)) - set(came))
                refused = f"{named(missing)} of {asked.count} did not come within {asked.start_timeout:g} s"
            for key, _ in selector.select(_HEARING):
                if key.fileobj is listener:
                    connection = stack.enter_context(listener.accept()[0])
                    connection.setblocking(False)
                    selector.register(connection, selectors.EVENT_READ, bytearray())
                else:
                    refused = refused or _heard(key, selector, came, asked.count)
        for key in selector.get_map().values():
            if key.fileobj is not listener:
                _say(key.fileobj, _REFUSED + refused if refused else _COME)
    if refused:
        raise UsageError(refused)


def _listening(coordinator: str) -> socket.socket:
    host, port = split(coordinator)
    try:
        if is_loopback(coordinator):
            family, _, _, _, at = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            return socket.create_server(at[:2], family=family)
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise UsageError(f"--coordinator {coordinator}: process 0 can't listen there: {_why(error)}") from None


def _heard(
    key: selectors.SelectorKey, selector: selectors.BaseSelector, came: dict[int, socket.socket], count: int
) -> str:
    """Read what one says. Returns: why it can't stay, or ""."""
    connection, line = key.fileobj, key.data
    assert isinstance(connection, socket.socket)
    try:
        got = connection.recv(_LONGEST)
    except OSError:
        got = b""
    line += got
    if got and b"\n" not in line and len(line) < _LONGEST:
        return ""
    greeting = _GREETING.fullmatch(line) if got else None
    if greeting is None:  # it has gone, or is none of ours
        selector.unregister(connection)
        connection.close()
        for process in [process for process, other in came.items() if other is connection]:
            del came[process]
        return ""
    process, counted = map(int, greeting.groups())
    if counted != count:
        return f"process 0 has --num-processes {count}, and process {process} has {counted}"
    if process in came:
        return f"two processes have --process-id {process}"
    came[process] = connection
    return ""


def _come(asked: Asked, until: float) -> None:
    """As another one: tell process 0, and wait for the answer."""
    where, at, why = f"--coordinator {asked.coordinator}", split(asked.coordinator), "it does not answer"
    while (left := until - time.monotonic()) > 0:
        signals.check()
        try:
            # Its host may be looked up for longer than that.
            with finished(partial(socket.create_connection, at, 1), left, signals.check) as connection:
                _say(connection, f"manual_vs_auto: process {asked.process} of {asked.count}")
                said = _line(connection, until)
        except OSError as error:
            why = _why(error)
        else:
            if said == _COME:
                return
            if said.startswith(_REFUSED):
                raise UsageError(said.removeprefix(_REFUSED))
            if said:
                raise UsageError(f"{where}: what answers there is no process 0 that starts")
            why = "it has gone"
        time.sleep(_AGAIN)
    raise UsageError(f"{where}: process {asked.process} waited {asked.start_timeout:g} s for process 0: {why}")


def _say(connection: object, line: str) -> None:
    assert isinstance(connection, socket.socket)
    with suppress(OSError):  # who has gone hears nothing
        connection.sendall(f"{line}\n".encode())


def _line(connection: socket.socket, until: float) -> str:
    """What the other says, to the end of a line, or until it goes. Raises: OSError, TimeoutError when time is up."""
    said = b""
    connection.settimeout(_HEARING)
    while b"\n" not in said and len(said) < _LONGEST:
        signals.check()
        try:
            got = connection.recv(_LONGEST)
        except TimeoutError:
            if time.monotonic() > until + _LATER:
                raise TimeoutError("it does not say that all have come") from None
        else:
            if not got:
                break
            said += got
    return said.decode("utf-8", "replace").strip()


def named(processes: Sequence[int]) -> str:
    """Processes as a person would say it.

    Example: >>> named([1]), named([0, 2])
             ('process 1', 'processes 0, 2')
    """
    more = f" and {len(processes) - _TOLD} more" if len(processes) > _TOLD else ""
    return f"process{'es' if len(processes) > 1 else ''} {', '.join(map(str, processes[:_TOLD]))}{more}"


def gone(processes: Sequence[int]) -> str:
    """That these are gone."""
    return f"{named(processes)} {'are' if len(processes) > 1 else 'is'} gone"


def _why(error: OSError) -> str:
    said = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return said or str(error) or "it does not answer"
