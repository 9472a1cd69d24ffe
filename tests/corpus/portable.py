"""Hand-written gradients, right and wrong, that every gradient checker is asked about.

A function and its gradient are written once for `jax.numpy` and `torch`: each takes the namespace first, and uses only
what both have with one meaning. A wrong gradient is a right one with one edit.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]
Fault = Callable[[Function], Function]  # from the right gradient to the wrong one


class Pair(NamedTuple):
    """A function f(xp, *args), its gradient vjp(xp, cotangent, *args) and a sample.

    The gradient is a tuple of one cotangent for each floating argument; fault is None where it is right.
    """

    name: str
    f: Function
    vjp: Function
    args: tuple[Array, ...]
    fault: str | None


def normal(seed: int, *shape: int) -> Array:
    return np.random.default_rng((seed, *shape)).standard_normal(shape, np.float32)


def symmetric(seed: int, side: int) -> Array:
    """Well conditioned too."""
    draw = normal(seed, side, side) / np.float32(side)
    return draw + draw.T + 2 * np.eye(side, dtype=np.float32)


def by_slope(slope: Function) -> Function:
    """The gradient of a function of each entry alone, or of their sum."""
    return lambda xp, ct, x: (ct * slope(xp, x),)


def edit(change: Function, at: int = 0) -> Fault:
    """One argument's cotangent changed."""

    def edited(vjp: Function, xp: Any, ct: Any, *args: Any) -> tuple[Any, ...]:
        grads = vjp(xp, ct, *args)
        return (*grads[:at], change(xp, grads[at]), *grads[at + 1 :])

    return lambda vjp: functools.partial(edited, vjp)


def fed(change: Function) -> Fault:
    """The right gradient of a changed cotangent."""
    return lambda vjp: lambda xp, ct, *args: vjp(xp, change(xp, ct), *args)


def given(**options: Any) -> Fault:
    return lambda vjp: functools.partial(vjp, **options)


def instead(wrong: Function) -> Fault:
    return lambda _: wrong


def slope(wrong: Function) -> Fault:
    return instead(by_slope(wrong))


def times(factor: float) -> Function:
    return lambda _, g: factor * g


def without(entry: int) -> Fault:
    return edit(lambda xp, g: g * (xp.arange(len(g)) != entry))


def rounded(name: str) -> Function:
    """To another floating type and back."""

    def cast(x: Any, dtype: Any) -> Any:
        return (x.astype if hasattr(x, "astype") else x.to)(dtype)

    return lambda xp, x: cast(cast(x, getattr(xp, name)), x.dtype)


def softmax(xp: Any, z: Any, axis: int = -1, shifted: bool = True) -> Any:
    e = xp.exp(z - xp.amax(z, axis=axis, keepdims=True)) if shifted else xp.exp(z)
    return e / e.sum(axis, keepdims=True)


def softmax_vjp(xp: Any, ct: Any, z: Any, axis: int = -1, dot: float = 1.0, shifted: bool = True) -> Any:
    s = softmax(xp, z, shifted=shifted)
    return (s * (ct - dot * (s * ct).sum(axis, keepdims=True)),)


def logsumexp(xp: Any, z: Any) -> Any:
    top = xp.amax(z, axis=-1)
    return top + xp.log(xp.exp(z - top[:, None]).sum(-1))


def cross_entropy_vjp(xp: Any, ct: Any, z: Any, labels: Any, hot: float = 1.0, axis: int = -1) -> Any:
    one_hot = labels[:, None] == xp.arange(z.shape[1])
    return (ct * (softmax(xp, z, axis) - hot * one_hot) / len(z),)


def layer_norm(xp: Any, x: Any, epsilon: float = 1e-5) -> tuple[Any, Any]:
    """And the deviation that it divides by."""
    d = x - x.mean(-1, keepdims=True)
    deviation = xp.sqrt((d * d).mean(-1, keepdims=True) + epsilon)
    return d / deviation, deviation


def layer_norm_vjp(xp: Any, ct: Any, x: Any, mean: float = 1, square: float = 1, axis: int = -1, **options: Any) -> Any:
    y, deviation = layer_norm(xp, x, **options)
    return ((ct - mean * ct.mean(axis, keepdims=True) - square * y * (ct * y).mean(-1, keepdims=True)) / deviation,)


def attention(xp: Any, q: Any, k: Any, v: Any) -> Any:
    return softmax(xp, q @ k.T / q.shape[1] ** 0.5) @ v


def attention_vjp(xp: Any, ct: Any, q: Any, k: Any, v: Any, **options: Any) -> Any:
    z, scale = q @ k.T / q.shape[1] ** 0.5, q.shape[1] ** -0.5
    (by_logits,) = softmax_vjp(xp, ct @ v.T, z, **options)
    return by_logits @ k * scale, by_logits.T @ q * scale, softmax(xp, z).T @ ct


def sum_back(xp: Any, x: Any) -> Any:
    return xp.flip(xp.cumsum(xp.flip(x, (0,)), axis=0), (0,))


def cumprod_vjp(xp: Any, ct: Any, x: Any) -> Any:
    """Without a division, which zeros forbid."""
    n = xp.arange(len(x))
    others = (n <= n[:, None, None]) & (n != n[:, None])  # by output, argument and factor
    return (xp.sum(ct[:, None] * (n <= n[:, None]) * xp.prod(xp.where(others, x, 1.0), axis=2), axis=0),)


def solve_vjp(xp: Any, ct: Any, a: Any, b: Any, transpose: bool = True) -> Any:
    g = xp.linalg.solve(a.T if transpose else a, ct)
    return -xp.outer(g, xp.linalg.solve(a, b)), g


SAMPLE = normal(0, 20)
POSITIVE = abs(SAMPLE) + np.float32(0.1)
MATRIX = normal(0, 6, 6)
LABELS = np.arange(10, dtype=np.int32) * 3 % 10

# a function, its right gradient and a sample, SAMPLE unless it says otherwise
RULES: dict[str, tuple[Any, ...]] = {
    "abs": (lambda _, x: abs(x), by_slope(lambda xp, x: xp.sign(x))),
    "cube": (lambda _, x: x**3, by_slope(lambda _, x: 3 * x * x)),
    "relu": (lambda xp, x: xp.where(x > 0, x, 0.0), by_slope(lambda xp, x: xp.where(x > 0, 1.0, 0.0))),
    "leaky relu": (lambda xp, x: xp.where(x > 0, x, x / 8), by_slope(lambda xp, x: xp.where(x > 0, 1.0, 0.125))),
    "huber": (lambda xp, x: xp.where(abs(x) < 1, x * x / 2, abs(x) - 0.5), by_slope(lambda xp, x: xp.clip(x, -1, 1))),
    "sigmoid": (lambda xp, x: (1 + xp.tanh(x / 2)) / 2, by_slope(lambda xp, x: 1 / (2 + xp.exp(x) + xp.exp(-x)))),
    "sin": (lambda xp, x: xp.sin(x), by_slope(lambda xp, x: xp.cos(x))),
    "softplus": (lambda xp, x: xp.logaddexp(x, 0 * x), by_slope(lambda xp, x: 1 / (1 + xp.exp(-x)))),
    "sqrt": (lambda xp, x: xp.sqrt(x), by_slope(lambda xp, x: 0.5 / xp.sqrt(x)), POSITIVE),
    "tanh": (lambda xp, x: xp.tanh(x), by_slope(lambda xp, x: 1 - xp.tanh(x) ** 2)),
    "bfloat16 sin": (lambda xp, x: rounded("bfloat16")(xp, xp.sin(rounded("bfloat16")(xp, x))),
        by_slope(lambda xp, x: xp.cos(rounded("bfloat16")(xp, x)))),
    "sum of exp": (lambda xp, x: xp.sum(xp.exp(x)), by_slope(lambda xp, x: xp.exp(x))),
    "sum of squares": (lambda xp, x: xp.sum(x * x), by_slope(lambda _, x: 2 * x)),
    "mean of squares": (lambda xp, x: xp.mean(x * x), by_slope(lambda _, x: 2 * x / len(x))),
    "variance": (lambda xp, x: xp.mean((x - x.mean()) ** 2), by_slope(lambda _, x: 2 * (x - x.mean()) / len(x))),
    "norm": (lambda xp, x: xp.sqrt(x @ x), by_slope(lambda xp, x: x / xp.sqrt(x @ x))),
    "unit vector": (lambda xp, x: x / xp.sqrt(x @ x),
        lambda xp, ct, x: ((ct - x * (x @ ct) / (x @ x)) / xp.sqrt(x @ x),)),
    "max": (lambda xp, x: xp.amax(x), lambda xp, ct, x: (ct * (x == xp.max(x)) / (x == xp.max(x)).sum(),)),
    "logsumexp": (logsumexp, lambda xp, ct, z: (ct[:, None] * softmax(xp, z),), MATRIX),
    "softmax": (softmax, softmax_vjp, MATRIX),
    "cross-entropy": (lambda xp, z, labels: xp.mean(logsumexp(xp, z) - z[xp.arange(len(z)), labels]),
        cross_entropy_vjp, normal(0, 10, 10), LABELS),
    "layer norm": (lambda xp, x: layer_norm(xp, x)[0], layer_norm_vjp, MATRIX),
    "attention": (attention, attention_vjp, MATRIX, normal(1, 6, 6), normal(2, 6, 6)),
    "matmul": (lambda _, a, b: a @ b, lambda _, ct, a, b: (ct @ b.T, a.T @ ct), MATRIX, normal(1, 6, 6)),
    "dense": (lambda _, w, b, x: x @ w.T + b,
        lambda _, ct, w, __, x: (ct.T @ x, ct.sum(0), ct @ w), MATRIX, normal(1, 6), normal(2, 6, 6)),
    "quotient": (lambda _, x, y: x / y, lambda _, ct, x, y: (ct / y, -ct * x / y**2), SAMPLE, POSITIVE),
    "squared error": (lambda xp, x, y: xp.mean((x - y) ** 2),
        lambda _, ct, x, y: (2 * ct * (x - y) / len(x), 2 * ct * (y - x) / len(x)), SAMPLE, normal(1, 20)),
    "cumsum": (lambda xp, x: xp.cumsum(x, axis=0), lambda xp, ct, _: (sum_back(xp, ct),)),
    "cumprod": (lambda xp, x: xp.cumprod(x, axis=0), cumprod_vjp, normal(0, 6)),
    "quadratic form": (lambda _, a, x: x @ a @ x,
        lambda xp, ct, a, x: (ct * xp.outer(x, x), ct * ((a + a.T) @ x)), MATRIX, normal(1, 6)),
    "solve": (lambda xp, a, b: xp.linalg.solve(a, b), solve_vjp, symmetric(0, 6) + MATRIX / 8, normal(1, 6)),
    "log determinant": (lambda xp, a: xp.linalg.slogdet(a)[1],
        lambda xp, ct, a: (ct * xp.linalg.inv(a).T,), symmetric(0, 6) + MATRIX / 8),
    "gather": (lambda _, x, rows: x[rows],
        lambda xp, ct, x, rows: (((rows == xp.arange(len(x))[:, None])[..., None] * ct).sum(1),),
        MATRIX, np.array([5, 1, 1, 0, 1], np.int32)),
}  # fmt: skip

# right at these samples too, where finite differences or float32 have a hard time
HARD: dict[str, dict[str, tuple[Array, ...]]] = {
    "abs": {"at 0": (np.array([0, 1, -1, 0], np.float32),)}, "relu": {"at 0": (np.array([0, 1, -1, 0], np.float32),)},
    "huber": {"at its knees": (np.array([1, -1, 0.5, 3], np.float32),)}, "sqrt": {"near 0": (1e-4 * POSITIVE,)},
    "sin": {"x 1e4": (1e4 * SAMPLE,)}, "softplus": {"x 100": (100 * SAMPLE,)}, "tanh": {"saturated": (20 * SAMPLE,)},
    "sum of exp": {"up to 60": (10 + 15 * POSITIVE,), "of 1e5": (normal(0, 100_000),)},
    "sum of squares": {"of 1e3": (normal(0, 1000),), "of 3e5": (normal(0, 300_000),), "x 1e-9": (1e-9 * SAMPLE,),
        "x 1e6": (1e6 * SAMPLE,), "x 1e15": (1e15 * SAMPLE,)},
    "mean of squares": {"of 1e5": (normal(0, 100_000),)}, "variance": {"about 1e3": (1e3 + SAMPLE,)},
    "norm": {"x 1e-6": (1e-6 * SAMPLE,), "x 1e10": (1e10 * SAMPLE,)},
    "max": {"three tied": (np.array([2, 1, 2, 0, 2], np.float32),)}, "logsumexp": {"x 1e4": (1e4 * MATRIX,)},
    "softmax": {"saturated": (30 * MATRIX,)}, "cross-entropy": {"logits x 100": (100 * normal(0, 10, 10), LABELS)},
    "layer norm": {"rows nearly constant": (3 + 1e-3 * MATRIX,)},
    "matmul": {"256 x 256": (normal(0, 256, 256), normal(1, 256, 256))},
    "quotient": {"by 1e-3": (SAMPLE, 1e-3 * POSITIVE)},
    "cumprod": {"with zeros": (np.array([2, 0, -1, 3, 0, 0.5], np.float32),)},
}  # fmt: skip

# what is wrong, how, and the sample unless it is the rule's own: some faults show only away from it
WRONG: dict[str, list[tuple[Any, ...]]] = {
    "tanh": [("sign", edit(times(-1))), ("factor 0.999", edit(times(0.999))), ("factor 1.001", edit(times(1.001))),
        ("factor 1.01", edit(times(1.01))), ("factor 0.5", edit(times(0.5))), ("factor 1000", edit(times(1000))),
        ("detached", edit(times(0))), ("slope 1 - y", slope(lambda xp, x: 1 - xp.tanh(x))),
        ("slope 1 - x * x, tiny sample", slope(lambda _, x: 1 - x * x), 1e-3 * SAMPLE),
        ("cotangent ignored", fed(lambda xp, ct: xp.ones_like(ct))),
        ("cotangent clipped to 1", fed(lambda xp, ct: xp.clip(ct, -1, 1))),
        ("cotangent clipped to 10", fed(lambda xp, ct: xp.clip(ct, -10, 10))),
        ("cotangent without its sign", fed(lambda _, ct: abs(ct))), ("bfloat16", edit(rounded("bfloat16"))),
        ("float16", edit(rounded("float16"))), ("cotangent in float16", fed(rounded("float16"))),
        ("offset 1e-4", edit(lambda _, g: g + 1e-4)),
        ("entries below 0.1 masked", edit(lambda xp, g: xp.where(abs(g) < 0.1, 0.0, g)))],
    "sin": [("1 of 1e3 entries zeroed", without(617), normal(0, 1000))],
    "sum of exp": [("1 of 1e5 entries zeroed", without(61_700), normal(0, 100_000))],
    "sum of squares": [("factor 2 forgotten", edit(times(0.5))),
        ("factor 2 forgotten, x 1e-9", edit(times(0.5)), 1e-9 * SAMPLE), ("sign, x 1e6", edit(times(-1)), 1e6 * SAMPLE),
        ("factor 1.01, of 1e3", edit(times(1.01)), normal(0, 1000)),
        ("gradient clipped to 1", edit(lambda xp, g: xp.clip(g, -1, 1))),
        ("gradient clipped to 10", edit(lambda xp, g: xp.clip(g, -10, 10)))],
    "mean of squares": [("sum for mean", edit(times(20)))], "variance": [("n - 1 for n", edit(times(20 / 19)))],
    "norm": [("factor 2", edit(times(2)))],
    "unit vector": [("norm detached", slope(lambda xp, x: xp.ones_like(x) / xp.sqrt(x @ x)))],
    "abs": [("slope 1, positive sample", slope(lambda xp, x: xp.ones_like(x)), POSITIVE),
        ("x / |x|, no 0 in the sample", slope(lambda _, x: x / abs(x)))],
    "leaky relu": [("no leak, positive sample", slope(lambda xp, x: xp.where(x > 0, 1.0, 0.0)), POSITIVE)],
    "cube": [("clipped beyond 10", slope(lambda xp, x: 3 * xp.clip(x, -10, 10) ** 2))],
    "huber": [("not clipped, small sample", slope(lambda _, x: x), SAMPLE / 8)],
    "sigmoid": [("overflows below -710", slope(lambda xp, x: xp.exp(-x) / (1 + xp.exp(-x)) ** 2))],
    "softplus": [("overflows above 710", slope(lambda xp, x: xp.exp(x) / (1 + xp.exp(x))))],
    "max": [("ties not split, none tied", slope(lambda xp, x: (x == xp.max(x)) * xp.ones_like(x)))],
    "softmax": [("diagonal alone", given(dot=0.0)), ("axis of the sum", given(axis=0)),
        ("overflows above 710", given(shifted=False))],
    "cross-entropy": [("sum for mean", edit(times(10))), ("labels dropped", given(hot=0.0)),
        ("labels' sign", given(hot=-1.0)), ("axis of the softmax", given(axis=0))],
    "layer norm": [("mean detached", given(mean=0.0)), ("variance detached", given(square=0.0)),
        ("axis of the mean", given(axis=0)), ("epsilon forgotten", given(epsilon=0.0))],
    "attention": [("scale of k forgotten", edit(times(6**0.5), 1)), ("softmax's diagonal alone", given(dot=0.0)),
        ("v transposed", edit(lambda _, g: g.T, 2))],
    "matmul": [("ct @ b", instead(lambda _, ct, a, b: (ct @ b, a.T @ ct))),
        ("ct @ b, b symmetric", instead(lambda _, ct, a, b: (ct @ b, a.T @ ct)), MATRIX, symmetric(1, 6)),
        ("b dropped", edit(times(0), 1))],
    "dense": [("bias averaged", edit(times(1 / 6), 1)), ("bias halved", edit(times(0.5), 1)),
        ("bias summed over all", edit(lambda xp, g: xp.ones_like(g) * xp.sum(g), 1)),
        ("weight transposed", edit(lambda _, g: g.T))],
    "quotient": [("sign of the second", edit(times(-1), 1))],
    "squared error": [("sign of the second", edit(times(-1), 1))],
    "cumsum": [("not reversed", instead(lambda xp, ct, _: (xp.cumsum(ct, axis=0),)))],
    "cumprod": [("divided by x, none 0", instead(lambda xp, ct, x: (sum_back(xp, ct * xp.cumprod(x, axis=0)) / x,)))],
    "quadratic form": [("2 a x, a symmetric", instead(lambda xp, ct, a, x: (ct * xp.outer(x, x), 2 * ct * (a @ x))),
        symmetric(0, 6), normal(1, 6))],
    "solve": [("sign of a", edit(times(-1))),
        ("J ct for J^T ct, a symmetric", given(transpose=False), symmetric(0, 6), normal(1, 6))],
    "log determinant": [("not transposed, a symmetric", edit(lambda _, g: g.T), symmetric(0, 6))],
    "gather": [("repeated row averaged", edit(lambda xp, g: g / xp.where(xp.arange(6) == 1, 3.0, 1.0)[:, None]))],
}  # fmt: skip


def _items() -> Iterator[Pair]:
    for name, (f, vjp, *sample) in RULES.items():
        usual = tuple(sample) or (SAMPLE,)
        yield Pair(name, f, vjp, usual, None)
        for where, args in HARD.get(name, {}).items():
            yield Pair(f"{name}, {where}", f, vjp, args, None)
        for what, fault, *other in WRONG.get(name, []):
            yield Pair(f"{name}: {what}", f, fault(vjp), tuple(other) or usual, what)


ITEMS = list(_items())
