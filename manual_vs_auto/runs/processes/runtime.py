"""Joining JAX's distributed runtime and leaving it: jax.distributed does the work, and this says what goes wrong."""

import math
import os
import sys
import time
from dataclasses import dataclass
from threading import Thread
from typing import Any

import jax

from manual_vs_auto.runs import signals
from manual_vs_auto.runs.errors import LostError, UsageError
from manual_vs_auto.runs.processes import rollcall
from manual_vs_auto.runs.processes.aborts import Aborts, rewritten
from manual_vs_auto.runs.processes.asked import Asked
from manual_vs_auto.runs.processes.news import News
from manual_vs_auto.runs.processes.waiting import finished

_LAST = 10.0  # seconds at least, in which JAX's runtime starts when all have come
_LATER = 60  # seconds after this process has given it up
_ABRUPT = 3.0  # seconds that one which ends alone gives to the others
_LOST = 1.0  # and where one of them does not come any more
_LONG = 7 * 24 * 3600  # seconds
_DIRECT = "no_grpc_proxy"


@dataclass
class Member:
    """One of several processes: this one.

    process, count: which one it is, and of how many.
    store:  JAX's client of its key-value store.
    news:   what the others have to tell.
    aborts: what JAX ends it with.
    agreed: whether all of them end now, and know it.
    ending: the status that it ends with for a reason of its own, which has been said.
    """

    process: int
    count: int
    store: Any
    news: News
    aborts: Aborts
    agreed: bool = False
    ending: int | None = None


member: Member | None = None


def is_first() -> bool:
    """Whether this process tells and keeps what all have done: process 0, or the only one."""
    return member is None or member.process == 0


def join(asked: Asked) -> None:
    """Become one of several processes, before JAX makes any device. To leave, `leave`.

    From here on signals are heard `together`, and standard output is process 0's: that of the others says nothing.
    Raises: UsageError, within --start-timeout, where not all come, or can't work together.
    """
    global member
    began, left = time.monotonic(), asked.start_timeout
    if asked.coordinator:
        rollcall.answer(asked)
        left = max(left - (time.monotonic() - began), _LAST)
    # JAX would take SIGTERM for itself, and this process would not hear it.
    jax.config.update("jax_enable_preemption_service", False)
    _reach_directly(asked.coordinator)
    aborts = Aborts(_known)
    try:
        finished(lambda: _initialize(asked), left, signals.check)
    except TimeoutError:
        what = f"--coordinator {asked.coordinator}" if asked.coordinator else "--distributed"
        raise UsageError(f"{what}: JAX's runtime has not started within {asked.start_timeout:g} s") from None
    except (RuntimeError, ValueError, KeyError, ImportError, OSError) as error:
        raise UsageError(_unfit(asked, error)) from None
    from jax._src.distributed import global_state  # JAX has no public name for its store

    process, store = global_state.process_id, global_state.client
    news = News(store, process, global_state.num_processes)
    member = Member(process, global_state.num_processes, store, news, aborts)
    _keep_stdout(process)
    signals.together(news.cause)


def saying() -> None:
    """Tell that this process will say that it has lost another one: then JAX's abort for the same reason does not."""
    if member:
        member.aborts.saying()


def leave(status: int, abruptly: bool = False) -> int:
    """End together with the others, and return the status to end with.

    Args:   status:   that this process would end with alone, which the others hear where it is a failure of its own.
            abruptly: not where all have agreed to end.
    Raises: LostError where another one has failed, or is gone, while this one waited for it.
    """
    if member is None:
        return status
    agreed = member.agreed or (status in (0, 1) and not abruptly)
    member.ending = None if agreed else status
    if not agreed and status < 128:  # a signal has been told
        Thread(target=member.news.tell, kwargs={"status": status}, daemon=True).start()
    member.news.leave()
    waits = _LONG if agreed else _LOST if status == LostError.status else _ABRUPT
    try:
        finished(jax.distributed.shutdown, waits, signals.check_end if agreed else lambda: None)
    except LostError:
        saying()
        raise
    except (TimeoutError, RuntimeError) as error:  # where another one is gone; it may have been said
        if agreed:
            saying()
            raise LostError(f"JAX's runtime has failed: {_line(error)}") from None
    member.aborts.pass_on()
    return status


def _known() -> int | None:
    return member.ending if member else None


def _initialize(asked: Asked) -> None:
    named: dict[str, Any] = {}
    if asked.coordinator:
        named = {
            "coordinator_address": asked.coordinator,
            "num_processes": asked.count,
            "process_id": asked.process,
            "coordinator_bind_address": rollcall.bound_to(asked.coordinator),
            "cluster_detection_method": "deactivate",
        }
    jax.distributed.initialize(
        **named,
        initialization_timeout=math.ceil(asked.start_timeout) + _LATER,  # when JAX aborts
        heartbeat_timeout_seconds=math.ceil(asked.heartbeat_timeout),
        shutdown_timeout_seconds=_LONG,
    )


def _unfit(asked: Asked, error: Exception) -> str:
    """Why JAX's runtime can't start, in a line."""
    said = _line(error)
    if asked.coordinator:
        return f"--coordinator {asked.coordinator}: {said}"
    if "defined" in said:  # JAX's words for what it has not found
        found = "JAX finds no SLURM, Open MPI, Kubernetes or Cloud TPU that has started this"
        return f"--distributed: {found}: use --coordinator, --num-processes and --process-id"
    return f"--distributed: {said}"


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _reach_directly(coordinator: str) -> None:
    """Not through a proxy, which http_proxy may name and gRPC would take."""
    if coordinator:
        direct = os.environ.get(_DIRECT) or os.environ.get("no_proxy")
        os.environ[_DIRECT] = ",".join(filter(None, (direct, rollcall.split(coordinator)[0])))
    jax.config.update("jax_check_proxy_envs", not coordinator)


def _keep_stdout(process: int) -> None:
    """Standard output is for what process 0 tells: the collectives' own lines on it, of C++, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    sys.stdout = rewritten(sys.stdout, os.dup(1) if process == 0 else os.dup(nowhere))
    os.dup2(nowhere, 1)
