"""Gradient checkers, each asked about a pair of `tests.corpus.portable` or `tests.corpus.complex` at its sample.

True where one accepts the gradient, False where it refuses, None where it can't be asked or leaves it open. An error
that is raised is no answer either.
"""

import functools
import importlib
import importlib.util
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import test_util

from manual_vs_auto.gradcheck import Verdict, check_vjp
from tests.corpus.complex import PAIRS, conjugated
from tests.corpus.portable import ITEMS, Pair

Checker = Callable[[Pair], bool | None]

# What the checkers are asked about: as arrays of JAX, and the real pairs once more as tensors of PyTorch. The complex
# pairs go to each checker in its own library and in the convention of that.
SETS: dict[str, list[Pair]] = {"real": ITEMS, "complex": PAIRS, "torch": ITEMS}
LARGEST = 2e8  # inputs times inputs and outputs, of a Jacobian entry by entry


def check_grads_defaults(pair: Pair) -> bool:
    """`jax.test_util.check_grads` in float32, its own settings; backward alone, as a custom_vjp goes no other way."""
    return _in_jax(test_util.check_grads, pair, np.float32)


def check_grads_best(pair: Pair) -> bool:
    """`check_grads` in float64 with what gave the most faults found less false alarms on these very real pairs.

    Tried: eps of 1e-2 to 1e-7, atol of 1e-1 to 1e-16 and none, rtol of 1 and 5 x 1e-1 to 1e-12. Found and false alarms
    of 68 and 59, at the best tolerances for each eps: 55 and 19 (1e-2), 52 and 12 (1e-3), 52 and 10 (1e-4), 52 and 9
    (1e-5 to 1e-7); with its own settings 51 and 10; with the best and order=2, 52 and 13.
    """
    with jax.enable_x64(True):
        return _in_jax(test_util.check_grads, pair, np.float64, atol=1e-9, rtol=1e-5, eps=1e-5)


def chex_defaults(pair: Pair) -> bool:
    """`chex.assert_numerical_grads` in float32, its own settings, backward alone.

    It calls `check_grads` with atol times the size of the first argument. Given the best settings above for that
    product, it answers every pair as `check_grads` does, so that it has no entry for its best.
    """
    chex: Any = importlib.import_module("chex")
    return _in_jax(chex.assert_numerical_grads, pair, np.float32)


def gradcheck_slow(pair: Pair) -> bool | None:
    """`torch.autograd.gradcheck` with its own settings, the whole Jacobian.

    In float64: its documentation says that the default values are for double precision, and that the check will likely
    fail with less. None above LARGEST: a sum of 1e5 takes more than two minutes.
    """
    return _in_torch(pair, LARGEST, fast_mode=False)


def gradcheck_fast(pair: Pair) -> bool | None:
    """The same along random directions. Where it refuses it goes on to the whole Jacobian, for its message."""
    return _in_torch(pair, math.inf, fast_mode=True)


def gradcheck_best(pair: Pair) -> bool | None:
    """The same with what gave the most faults found less false alarms on the 122 real pairs of up to 1000 entries.

    Found and false alarms along random directions, by rtol and atol: 39 and 6 (1e-3, 1e-5: its own), 44 and 7 (1e-4,
    1e-8), 46 and 8 (1e-5, 1e-7), 47 and 8 (1e-5, 1e-8 or 1e-9); of the whole Jacobian: 42 and 8 (its own), 46 and 9
    (1e-4, 1e-8), 46 and 10 (1e-5, 1e-7 or 1e-8), 47 and 11 (1e-5, 1e-9). None above LARGEST, since it may refuse.
    """
    return _in_torch(pair, LARGEST, fast_mode=True, rtol=1e-5, atol=1e-8)


def this_checker(pair: Pair) -> bool | None:
    """`manual_vs_auto.gradcheck.check_vjp` in the sample's precision as it comes. None where it is inconclusive.

    SPECIAL, right everywhere but at single points, is a refusal, as it is to `assert_vjp`.
    """
    return _ours(pair, jnp, pair.args)


def this_checker_in_torch(pair: Pair) -> bool | None:
    """The same, given tensors and a rule that computes in PyTorch."""
    torch: Any = importlib.import_module("torch")
    return _ours(pair, torch, [torch.from_numpy(x.copy()) for x in pair.args])


JAX, TORCH = ("real", "complex"), ("complex", "torch")
CHECKERS: dict[str, Mapping[str, Checker]] = {
    "manual_vs_auto.gradcheck": {**dict.fromkeys(JAX, this_checker), "torch": this_checker_in_torch},
    "check_grads, defaults": dict.fromkeys(JAX, check_grads_defaults),
    "check_grads, best": dict.fromkeys(JAX, check_grads_best),
    "chex": dict.fromkeys(JAX, chex_defaults),
    "torch gradcheck, slow": dict.fromkeys(TORCH, gradcheck_slow),
    "torch gradcheck, fast": dict.fromkeys(TORCH, gradcheck_fast),
    "torch gradcheck, best": dict.fromkeys(TORCH, gradcheck_best),
}


def needs(name: str, of: str) -> str | None:
    """The package, beside those of the default install, that a checker needs for a set."""
    return "torch" if of == "torch" or name.startswith("torch") else "chex" if name == "chex" else None


def absent(name: str, of: str) -> str | None:
    """Why a checker can't be asked about a set at all, or None."""
    package = needs(name, of)
    missing = package is not None and importlib.util.find_spec(package) is None
    return f"{package} is not installed" if missing else None


def _ours(pair: Pair, xp: Any, args: Sequence[Any]) -> bool | None:
    verdict = check_vjp(functools.partial(pair.f, xp), functools.partial(pair.vjp, xp), *args).verdict
    return {Verdict.AGREE: True, Verdict.SPECIAL: False, Verdict.DISAGREE: False}.get(verdict)


def _in_jax(check: Callable[..., None], pair: Pair, dtype: Any, **settings: float) -> bool:
    fill, free = _split(pair, jnp.asarray, dtype)

    @jax.custom_vjp
    def f(*free: Any) -> Any:
        return pair.f(jnp, *fill(free))

    f.defvjp(lambda *free: (f(*free), free), lambda free, ct: pair.vjp(jnp, ct, *fill(free)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflows, which the verdict tells
        try:
            check(f, free, order=1, modes=["rev"], **settings)
        except AssertionError:
            return False
    return True


def _in_torch(pair: Pair, largest: float, **settings: Any) -> bool | None:
    import torch

    fill, free = _split(pair, lambda x: torch.from_numpy(x.copy()), np.float64)

    def forward(ctx: Any, *free: Any) -> Any:
        ctx.save_for_backward(*free)
        return pair.f(torch, *fill(free))

    def backward(ctx: Any, ct: Any) -> Any:
        return conjugated(pair.vjp)(torch, ct, *fill(ctx.saved_tensors))

    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    function: Any = type("Function", (torch.autograd.Function,), methods)
    free = tuple(x.requires_grad_() for x in free)
    inputs = sum(x.numel() for x in free)
    if inputs * (inputs + function.apply(*free).numel()) > largest:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(torch.autograd.gradcheck(function.apply, free, raise_exception=False, **settings))


def _split(
    pair: Pair, convert: Callable[[Any], Any], dtype: Any
) -> tuple[Callable[[Sequence[Any]], list[Any]], tuple[Any, ...]]:
    """How to put the arguments that are differentiated among the others, which stay as they are; and those.

    dtype: of the real ones; complex ones have parts of it.
    """
    moving = [np.issubdtype(x.dtype, np.inexact) for x in pair.args]
    args = [convert(_cast(x, dtype) if free else x) for x, free in zip(pair.args, moving, strict=True)]

    def fill(given: Sequence[Any]) -> list[Any]:
        rest = iter(given)
        return [next(rest) if free else x for x, free in zip(args, moving, strict=True)]

    return fill, tuple(x for x, free in zip(args, moving, strict=True) if free)


def _cast(x: Any, dtype: Any) -> Any:
    return x.astype(np.result_type(dtype, np.complex64) if np.iscomplexobj(x) else dtype)
