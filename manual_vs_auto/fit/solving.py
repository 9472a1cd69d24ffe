"""A path of fits while it runs: every iteration and every end as they come, and Ctrl-C heard at once."""

from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, TypeAlias

from manual_vs_auto.fit.options import Options
from manual_vs_auto.fit.training import Training
from manual_vs_auto.runs import signals
from manual_vs_auto.runs.errors import NoRoomError, UsageError
from manual_vs_auto.runs.processes import agreement

_HEARING = 0.1  # seconds after which a Ctrl-C that was lost elsewhere is heard

# What the solver said, and of which l2: its Progress after an iteration, its Solution at the end, and then its State.
Said: TypeAlias = tuple[float, Any, Any]


def solved(
    options: Options,
    made: Training,
    classes: int,
    l2s: Sequence[float],
    *,
    state: Any = None,
    mesh: Any = None,
    on_program: Callable[[Any], None] | None = None,
) -> Iterator[Said]:
    """Fit every l2, the largest first, each from where the one before ended.

    Args:    state: what the solver goes on from, a State of a run that was stopped.
             mesh, on_program: as `solve.path` takes them.
    Yields:  (l2, where the solver is, what it goes on from if it has ended there, else None).
    Raises:  UsageError for what the solver can't use; NoRoomError where there is too little memory; KeyboardInterrupt
             once a signal has been heard.
    """
    stopped = Event()

    def work(say: Callable[[Said], None]) -> None:
        from manual_vs_auto.solve import path

        def after(progress: Any) -> bool:
            say((progress.l2, progress, None))
            agreement.agreed()  # to go on: all stop at the same place
            return stopped.is_set()

        path(
            made.matrix,
            made.labels,
            classes,
            l2s,
            loss=options.loss,  # type: ignore[arg-type]  # one of the two, by the flag's choices
            weights=made.weights,
            intercept=options.intercept,
            tol=options.tol,
            max_iter=options.max_iter,
            device=options.device,  # type: ignore[arg-type]
            mesh=mesh,
            on_iteration=after,
            on_program=on_program,
            on_solution=lambda *told: say(told),
            resume=state,
        )

    import jax

    try:
        yield from _streamed(work)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        rows = "fewer rows" if options.device == "cpu" else "fewer rows, or --device cpu"
        raise NoRoomError(
            f"there was no memory left for {made.matrix.nbytes:,} bytes of features: use {rows}"
        ) from None
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from None
    finally:
        stopped.set()


def _streamed(work: Callable[[Callable[[Said], None]], None]) -> Iterator[Said]:
    """What `work` says, in a thread of its own: Python hands KeyboardInterrupt to the main thread, which must wait."""
    said: SimpleQueue[Said | BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            work(said.put)
            said.put(None)
        except BaseException as error:
            said.put(error)

    Thread(target=run, daemon=True).start()
    while True:
        signals.check()
        try:
            item = said.get(timeout=_HEARING)
        except Empty:
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise signals.cause(item)
        yield item
