"""Who wrote a rule: JAX, or whoever gave one of JAX's own functions another.

By the files in which its parts are defined. defjvps and custom_gradient put code of JAX's around what they are given:
there the functions count that are wrapped. With jaxpr.py, the only place that knows how JAX does that.
"""

import os
from pathlib import Path
from typing import Any

import jax

JAX = str(Path(jax.__file__).parent) + os.sep
_WRAPPING = tuple(
    str(Path(JAX, "_src", *parts))
    for parts in (
        ("custom_derivatives.py",), ("linear_util.py",), ("api_util.py",), ("interpreters", "partial_eval.py"),
    )
)  # fmt: skip
# What holds a function: JAX's wrapping, a function with a rule, a partial call, a method, jit of a function.
_HOLDS = ("f_transformed", "fun", "jvp", "fwd", "bwd", "func", "args", "__func__", "__wrapped__")


def of_jax(*parts: Any) -> bool:
    """Whether JAX wrote all parts of a rule: programs, or functions as JAX has wrapped them."""
    return all(JAX in file for part in parts for file in _files(part))


def _files(part: Any) -> set[str]:
    where = str(getattr(getattr(part, "debug_info", None), "func_src_info", ""))
    return _wrapped(part) if any(file in where for file in _WRAPPING) else {where}


def _wrapped(part: Any) -> set[str]:
    """The files of the first functions on the way in that are not JAX's wrapping."""
    found, met, rest = set[str](), dict[int, Any](), [part]
    while rest:
        held = rest.pop()
        if id(held) in met:
            continue
        met[id(held)] = held
        code = getattr(held, "__code__", None)
        if isinstance(held, tuple | list):
            rest += held
        elif code is None:
            inner = [value for name in _HOLDS if (value := getattr(held, name, None)) is not None]
            called = getattr(type(held).__call__, "__code__", None) if callable(held) and not inner else None
            rest += inner
            found |= {called.co_filename} if called is not None else set()
        elif code.co_filename in _WRAPPING:
            rest += [cell.cell_contents for cell in held.__closure__ or () if not _empty(cell)]
        else:
            found.add(code.co_filename)
    return found


def _empty(cell: Any) -> bool:
    try:
        return cell.cell_contents is None
    except ValueError:
        return True
