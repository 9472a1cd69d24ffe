"""What can go wrong that is not this package's fault: the question, what the rule returns, what others refuse."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PACKAGE = str(Path(__file__).parents[1])
# What JAX, NumPy and PyTorch raise where they can't do what is asked with a function. Nobody says so by a NameError.
_SAID = (TypeError, ValueError, ArithmeticError, RuntimeError, MemoryError)


class UsageError(ValueError):
    """The checker was asked something that has no answer: the message says what to give instead."""


class WrongShapeError(Exception):
    """What the hand-written code returned can't be a derivative at all: its structure or its shapes are not."""

    why = "shape"


class WrongDtypeError(WrongShapeError):
    """The hand-written code returned complex numbers where the derivative is real, or the other way round."""

    why = "dtype"


class Refused(Exception):  # noqa: N818, it is no error of ours
    """What f or the rule refuses to do. Its cause is the error that they raised, its text the first line of that."""

    def __init__(self, error: Exception) -> None:
        super().__init__((str(error).strip().splitlines() or [type(error).__name__])[0][:100])
        self.error = error


def asked(function: Callable[..., Any], *args: Any) -> Any:
    """Call code that is not ours. Raises: Refused for whatever it raises."""
    try:
        return function(*args)
    except (Refused, UsageError, WrongShapeError):
        raise
    except Exception as error:
        raise Refused(error) from error


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Around a transformation of code that is not ours: what a library refuses to do with it becomes Refused.

    An error that was raised in a line of this package stays what it is.
    """
    try:
        yield
    except (Refused, UsageError, WrongShapeError):
        raise
    except _SAID as error:
        if _raised_here(error):
            raise
        raise Refused(error) from error


def _raised_here(error: BaseException) -> bool:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(_PACKAGE)
