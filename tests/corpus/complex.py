"""Functions of complex numbers, to complex numbers, or both, with derivatives that are right or have one edit.

PAIRS are written once for `jax.numpy` and `torch`, as in `portable`, their cotangents in JAX's convention; `conjugated`
makes PyTorch's of a rule. ITEMS are these for the checker, and what only JAX or only NumPy has.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus.functions import with_jvp, with_vjp
from tests.corpus.item import Item
from tests.corpus.portable import Fault, Pair, edit, fed, instead, normal, times


def draw(seed: int, *shape: int) -> Any:
    return (normal(seed, *shape) + 1j * normal(seed + 100, *shape)).astype(np.complex64)


def regular(seed: int, side: int) -> Any:
    """Far from singular, and neither symmetric nor Hermitian."""
    return (0.3 * draw(seed, side, side) + 2 * np.eye(side)).astype(np.complex64)


def conjugated(vjp: Callable[..., Any]) -> Callable[..., Any]:
    """The same rule in the other convention of complex cotangents."""
    return lambda xp, ct, *args: tuple(xp.conj(g) for g in vjp(xp, xp.conj(ct), *args))


def padded(xp: Any, half: Any, n: int) -> Any:
    return xp.concatenate([half, xp.zeros(n - len(half), dtype=half.dtype)])


def rfft_vjp(xp: Any, ct: Any, x: Any) -> Any:
    return (xp.real(xp.fft.fft(padded(xp, ct, len(x)))),)


def weights(xp: Any, n: int, inner: float) -> Any:
    """1 for the bins that a real signal of length n has once, and for those that it has twice something else."""
    k = xp.arange(n // 2 + 1)
    return xp.where((k == 0) | (2 * k == n), 1.0, inner)


def rfft_by_irfft(xp: Any, ct: Any, x: Any, inner: float = 0.5) -> Any:
    return (len(x) * xp.fft.irfft(xp.conj(ct) * weights(xp, len(x), inner), n=len(x)),)


def irfft_vjp(xp: Any, ct: Any, _: Any, inner: float = 2.0) -> Any:
    return (xp.conj(xp.fft.rfft(ct)) * weights(xp, len(ct), inner) / len(ct),)


def solve_vjp(xp: Any, ct: Any, a: Any, b: Any) -> Any:
    g = xp.linalg.solve(a.T, ct)
    return -xp.outer(g, xp.linalg.solve(a, b)), g


def inverse_vjp(xp: Any, ct: Any, a: Any) -> Any:
    b = xp.linalg.inv(a).T
    return (-b @ ct @ b,)


def adjoint(xp: Any, a: Any) -> Any:
    return xp.conj(a).T


def modulus_vjp(xp: Any, ct: Any, z: Any) -> Any:
    """0, which is a subgradient, where z is 0."""
    return (ct * xp.conj(z) / xp.where(z == 0, 1.0, xp.abs(z)),)


def real_of(xp: Any, found: Any) -> Any:
    return tuple(map(xp.real, found))


Z, W, X = draw(0, 4), draw(1, 4), normal(2, 4)
A, B = draw(3, 2, 3), draw(4, 3, 2)
ON_THE_CUT = np.array([-1, -2, 3, 1j], np.complex64)

# A function, its right derivative and a sample.
RULES: dict[str, tuple[Any, ...]] = {
    "product": (lambda _, z, w: z * w, lambda _, ct, z, w: (ct * w, ct * z), Z, W),
    "quotient": (lambda _, z, w: z / w, lambda _, ct, z, w: (ct / w, -ct * z / w**2), Z, W),
    "exp": (lambda xp, z: xp.exp(z), lambda xp, ct, z: (ct * xp.exp(z),), Z),
    "tanh": (lambda xp, z: xp.tanh(z), lambda xp, ct, z: (ct * (1 - xp.tanh(z) ** 2),), 0.5 * Z),
    "log": (lambda xp, z: xp.log(z), lambda _, ct, z: (ct / z,), Z),
    "cube": (lambda _, z: z**3, lambda _, ct, z: (3 * ct * z**2,), Z),
    "power 2.5": (lambda _, z: z**2.5, lambda _, ct, z: (2.5 * ct * z**1.5,), Z),
    "conjugate": (lambda xp, z: xp.conj(z), lambda xp, ct, _: (xp.conj(ct),), Z),
    "real part": (lambda xp, z: xp.real(z), lambda _, ct, z: (ct * (1 + 0j),), Z),
    "imaginary part": (lambda xp, z: xp.imag(z), lambda _, ct, z: (-1j * ct,), Z),
    "modulus": (lambda xp, z: xp.abs(z), modulus_vjp, Z),
    "sum of squared moduli": (lambda xp, z: xp.sum(xp.abs(z) ** 2), lambda xp, ct, z: (2 * ct * xp.conj(z),), Z),
    "phase": (lambda xp, x: xp.exp(1j * x), lambda xp, ct, x: (xp.real(1j * ct * xp.exp(1j * x)),), X),
    "polar": (lambda xp, r, t: r * xp.exp(1j * t),
        lambda xp, ct, r, t: real_of(xp, (ct * xp.exp(1j * t), 1j * ct * r * xp.exp(1j * t))), X, normal(5, 4)),
    "matmul": (lambda _, a, b: a @ b, lambda _, ct, a, b: (ct @ b.T, a.T @ ct), A, B),
    "adjoint times vector": (lambda xp, w, x: adjoint(xp, w) @ x,
        lambda xp, ct, w, x: (xp.conj(xp.outer(x, ct)), xp.conj(w) @ ct), A, draw(6, 2)),
    "einsum": (lambda xp, a, b: xp.einsum("ij,ik->jk", xp.conj(a), b),
        lambda xp, ct, a, b: (xp.conj(b @ ct.T), xp.conj(a) @ ct), A, draw(7, 2, 2)),
    "energy": (lambda xp, a, z: xp.real(xp.conj(z) @ a @ z),
        lambda xp, ct, a, z: (ct * xp.outer(xp.conj(z), z), ct * (xp.conj(z) @ a + xp.conj(a @ z))),
        regular(8, 2), draw(9, 2)),
    "solve": (lambda xp, a, b: xp.linalg.solve(a, b), solve_vjp, regular(10, 2), draw(11, 2)),
    "inverse": (lambda xp, a: xp.linalg.inv(a), inverse_vjp, regular(12, 2)),
    "log determinant": (lambda xp, a: xp.linalg.slogdet(a)[1],
        lambda xp, ct, a: (ct * xp.linalg.inv(a).T,), regular(13, 2)),
    "eigenvalues squared": (lambda xp, a: xp.sum(xp.linalg.eigvals(a) ** 2),
        lambda _, ct, a: (2 * ct * a.T,), regular(14, 2)),
    "fft": (lambda xp, z: xp.fft.fft(z), lambda xp, ct, _: (xp.fft.fft(ct),), Z),
    "ifft": (lambda xp, z: xp.fft.ifft(z), lambda xp, ct, _: (xp.fft.ifft(ct),), Z),
    "fft, ortho": (lambda xp, z: xp.fft.fft(z, norm="ortho"), lambda xp, ct, _: (xp.fft.fft(ct, norm="ortho"),), Z),
    "fft2": (lambda xp, z: xp.fft.fft2(z), lambda xp, ct, _: (xp.fft.fft2(ct),), A),
    "fftshift": (lambda xp, z: xp.fft.fftshift(z), lambda xp, ct, _: (xp.fft.ifftshift(ct),), draw(15, 5)),
    "rfft": (lambda xp, x: xp.fft.rfft(x), rfft_vjp, normal(16, 8)),
    "rfft by irfft": (lambda xp, x: xp.fft.rfft(x), rfft_by_irfft, normal(17, 8)),
    "rfft by irfft, odd": (lambda xp, x: xp.fft.rfft(x), rfft_by_irfft, normal(18, 7)),
    "irfft": (lambda xp, z: xp.fft.irfft(z), irfft_vjp, draw(19, 5)),
    "filter": (lambda xp, x, h: xp.real(xp.fft.ifft(xp.fft.fft(x) * xp.fft.fft(h))),
        lambda xp, ct, x, h: real_of(xp, [
            xp.fft.fft(xp.fft.ifft(ct) * xp.fft.fft(other)) for other in (h, x)
        ]), X, normal(20, 4)),
}  # fmt: skip

CONJUGATE, IMAGINARY, WEIGHTS = ("conjugate",), ("imaginary",), ("cotangent", "mask")
SUM = ("reduction", "factor")
# What was done, the edit, and what may be said to be the cause.
WRONG: dict[str, list[tuple[str, Fault, tuple[str, ...]]]] = {
    "product": [("conjugate convention", conjugated, CONJUGATE),
        ("second factor not conjugated alike", edit(lambda xp, g: xp.conj(g), 1), CONJUGATE)],
    "exp": [("i too much", edit(times(1j)), IMAGINARY), ("factor 1.001", edit(times(1.001)), ("factor",)),  # type: ignore[arg-type]
        ("imaginary part dropped", edit(lambda xp, g: xp.real(g) + 0j), IMAGINARY),
        ("cotangent conjugated", fed(lambda xp, ct: xp.conj(ct)), CONJUGATE),
        ("real part of the cotangent", fed(lambda xp, ct: xp.real(ct) + 0j), IMAGINARY)],
    "tanh": [("slope conjugated", instead(lambda xp, ct, z: (ct * xp.conj(1 - xp.tanh(z) ** 2),)), CONJUGATE)],
    "cube": [("2 for 3", edit(times(2 / 3)), ("factor",))],
    "conjugate": [("not conjugated", instead(lambda _, ct, z: (ct,)), CONJUGATE)],
    "imaginary part": [("i turned round", edit(times(-1)), (*CONJUGATE, "sign"))],
    "modulus": [("conjugate convention", edit(lambda xp, g: xp.conj(g)), CONJUGATE)],
    "sum of squared moduli": [("conjugate convention", edit(lambda xp, g: xp.conj(g)), CONJUGATE),
        ("real part alone", edit(lambda xp, g: xp.real(g) + 0j), IMAGINARY),
        ("2 forgotten", edit(times(0.5)), ("factor",))],
    "phase": [("i forgotten", instead(lambda xp, ct, x: (xp.real(ct * xp.exp(1j * x)),)), IMAGINARY),
        ("sign of i", instead(lambda xp, ct, x: (xp.real(-1j * ct * xp.exp(1j * x)),)), ("sign",)),
        ("complex for real", instead(lambda xp, ct, x: (1j * ct * xp.exp(1j * x),)), ("dtype",)),
        ("conjugate convention", conjugated, CONJUGATE)],
    "polar": [("i forgotten by the angle", instead(lambda xp, ct, r, t: real_of(xp, (
            ct * xp.exp(1j * t), ct * r * xp.exp(1j * t)))), IMAGINARY)],
    "matmul": [("a^H for a^T", instead(lambda xp, ct, a, b: (ct @ b.T, adjoint(xp, a) @ ct)), CONJUGATE),
        ("conjugate convention", conjugated, CONJUGATE)],
    "adjoint times vector": [
        ("conjugate of w forgotten", instead(lambda xp, ct, w, x: (xp.conj(xp.outer(x, ct)), w @ ct)), CONJUGATE),
        ("conjugate of dw forgotten", edit(lambda xp, g: xp.conj(g)), CONJUGATE)],
    "einsum": [("conjugate forgotten", edit(lambda xp, g: xp.conj(g)), CONJUGATE)],
    "energy": [("as if Hermitian", instead(lambda xp, ct, a, z: (
        ct * xp.outer(xp.conj(z), z), 2 * ct * (xp.conj(z) @ a))), ())],
    "solve": [("a^H for a^T", instead(lambda xp, ct, a, b: solve_vjp(xp, ct, xp.conj(a), b)), ()),
        ("minus forgotten", edit(times(-1)), ("sign",))],
    "log determinant": [("a^-H", edit(lambda xp, g: xp.conj(g)), CONJUGATE),
        ("a^-1", edit(lambda _, g: g.T), ("transpose",))],
    "eigenvalues squared": [("not transposed", edit(lambda _, g: g.T), ("transpose",))],
    "fft": [("scaled by n", instead(lambda xp, ct, _: (xp.fft.fft(ct) / len(ct),)), SUM),
        ("real part", edit(lambda xp, g: xp.real(g) + 0j), IMAGINARY)],
    "ifft": [("1/n forgotten", edit(lambda _, g: len(g) * g), SUM), ("conjugate convention", conjugated, CONJUGATE)],
    "fftshift": [("the same shift", instead(lambda xp, ct, _: (xp.fft.fftshift(ct),)), ("roll",))],
    "rfft by irfft": [("interior bins not halved", instead(partial(rfft_by_irfft, inner=1.0)), WEIGHTS)],
    "rfft by irfft, odd": [("interior bins not halved", instead(partial(rfft_by_irfft, inner=1.0)), WEIGHTS)],
    "rfft": [("scaled by n", edit(lambda _, g: g / len(g)), SUM), ("conjugate convention", conjugated, CONJUGATE)],
    "irfft": [("interior bins not doubled", instead(partial(irfft_vjp, inner=1.0)), WEIGHTS),
        ("conjugate convention", conjugated, CONJUGATE)],
}  # fmt: skip


def _pairs() -> Iterator[Pair]:
    for name, (f, vjp, *args) in RULES.items():
        yield Pair(name, f, vjp, tuple(args), None)
        for fault, change, _ in WRONG.get(name, []):
            yield Pair(f"{name}: {fault}", f, change(vjp), tuple(args), fault)


PAIRS: list[Pair] = list(_pairs())


def _for_jax(pair: Pair) -> Item:
    name, _, done = pair.name.partition(": ")
    causes = next((causes for fault, _, causes in WRONG.get(name, []) if fault == done), ())
    return Item(pair.name, "vjp", partial(pair.f, jnp), partial(pair.vjp, jnp), pair.args, {}, pair.fault, causes)


def _declared(name: str) -> Item:
    """A right rule in the convention that is not JAX's."""
    f, vjp, *args = RULES[name]
    options = {"complex_convention": "conjugate"}
    return Item(
        f"{name}, conjugate convention", "vjp", partial(f, jnp), partial(conjugated(vjp), jnp), tuple(args), options
    )


def affine(params: Any) -> Any:
    """Mean squared modulus of W x + b, with a real x."""
    return jnp.sum(jnp.abs(params["W"] @ params["x"] + params["b"]) ** 2)


def affine_grad(params: Any) -> Any:
    ct = 2 * jnp.conj(params["W"] @ params["x"] + params["b"])
    return {"W": jnp.outer(ct, params["x"]), "x": jnp.real(ct @ params["W"]), "b": ct}


def roots(n: int) -> Any:
    """The matrix of the discrete Fourier transform."""
    return jnp.exp(-2j * jnp.pi * jnp.outer(jnp.arange(n), jnp.arange(n)) / n)


def several(z: Any, x: Any) -> Any:
    return {"power": jnp.abs(z) ** 2, "product": z * x, "first": jnp.argmax(x)}


def several_vjp(ct: Any, z: Any, x: Any) -> Any:
    return 2 * ct["power"] * jnp.conj(z) + ct["product"] * x, jnp.real(ct["product"] * z)


def unitary(theta: Any) -> Any:
    """cos 1 + i sin 1, by the exponential of an anti-Hermitian 2 x 2 matrix: a function of NumPy alone."""
    c, s = np.cos(theta), np.sin(theta)
    return np.array([[c + 0j, 1j * s], [1j * s, c + 0j]])


def unitary_vjp(ct: Any, theta: Any) -> Any:
    c, s = np.cos(theta), np.sin(theta)
    return (float(np.sum(np.real(ct * np.array([[-s + 0j, 1j * c], [1j * c, -s + 0j]])))),)


PARAMS = {"W": draw(30, 2, 3), "x": normal(31, 3), "b": draw(32, 2)}
WIDE = draw(33, 4).astype(np.complex128)

RIGHT: list[Item] = [
    *(_for_jax(pair) for pair in PAIRS if pair.fault is None),
    *map(_declared, ("matmul", "modulus", "phase", "rfft", "irfft", "solve")),
    Item("sqrt on its cut", "vjp", jnp.sqrt, lambda ct, z: (0.5 * ct / jnp.sqrt(z),), (ON_THE_CUT,), {"probes": False}),
    Item("angle on its cut", "vjp", jnp.angle, lambda ct, z: (-1j * ct / z,), (ON_THE_CUT,), {"probes": False}),
    Item("tree of complex and real", "gradient", affine, affine_grad, (PARAMS,)),
    Item("several outputs", "vjp", several, several_vjp, (Z, X)),
    Item("loss of a complex128", "gradient", lambda z: jnp.sum(jnp.abs(z) ** 4),
        lambda z: 4 * jnp.abs(z) ** 2 * jnp.conj(z), (WIDE,), {"order": 2}),
    Item("loss, conjugate convention", "gradient", lambda z: jnp.sum(jnp.abs(z) ** 2), lambda z: 2 * z, (Z,),
        {"complex_convention": "conjugate"}),
    Item("a complex number", "gradient", lambda z: abs(z) ** 2, lambda z: 2 * jnp.conj(z), (1 + 2j,)),
    Item("a complex number that is held", "gradient", lambda z, w: jnp.sum(jnp.abs(z * w)),
        lambda z, w: modulus_vjp(jnp, jnp.abs(w), z)[0], (Z, 1 - 2j)),
    Item("log det, Hermitian", "gradient", lambda a: jnp.sum(jnp.log(jnp.linalg.eigvalsh(a))),
        lambda a: jnp.linalg.inv(a).T, ((A @ A.conj().T + np.eye(2)).astype(np.complex64),),
        {"structure": {"a": "positive_definite"}}),
    Item("matmul: jvp", "jvp", lambda a, b: a @ b, lambda p, t: t[0] @ p[1] + p[0] @ t[1], (A, B)),
    Item("squared modulus: jvp", "jvp", lambda z: jnp.abs(z) ** 2,
        lambda p, t: 2 * jnp.real(jnp.conj(p[0]) * t[0]), (Z,)),
    Item("exp: custom jvp", "custom", with_jvp(jnp.exp, lambda p, t: jnp.exp(p[0]) * t[0]), None, (Z,)),
    Item("matmul: custom vjp", "custom",
        with_vjp(lambda a, b: a @ b, lambda ct, a, b: (ct @ b.T, a.T @ ct)), None, (A, B)),
    Item("rfft: custom vjp", "custom", with_vjp(lambda x: jnp.fft.rfft(x), partial(rfft_vjp, jnp)), None,
        (normal(34, 6),)),
    Item("fft, by the matrix", "vjp", lambda z: jnp.fft.fft(z), lambda ct, z: (roots(len(z)).astype(z.dtype) @ ct,),
        (draw(37, 32),)),
    Item("exp in complex64", "vjp", lambda z: jnp.exp(z.astype(jnp.complex64)),
        lambda ct, z: ((ct * jnp.exp(z.astype(jnp.complex64))).astype(z.dtype),), (WIDE,)),
    Item("numpy: rfft", "vjp", lambda x: np.fft.rfft(np.asarray(x)), partial(rfft_vjp, np), (normal(35, 6),)),
    Item("numpy: unitary", "vjp", unitary, unitary_vjp, (0.5,)),
    Item("numpy: conj(z) w", "vjp", lambda z, w: np.conj(np.asarray(z)) * np.asarray(w),
        lambda ct, z, w: (np.conj(ct * w), ct * np.conj(z)), (Z, W)),
]  # fmt: skip

FAULTS: list[Item] = [
    *(_for_jax(pair) for pair in PAIRS if pair.fault is not None),
    Item("tree: the bias conjugated", "gradient", affine,
        lambda params: {**affine_grad(params), "b": jnp.conj(affine_grad(params)["b"])}, (PARAMS,),
        fault="conjugate: of one leaf", causes=CONJUGATE),
    Item("tree: PyTorch's gradient", "gradient", affine, lambda params: jax.tree.map(jnp.conj, affine_grad(params)),
        (PARAMS,), fault="conjugate: convention", causes=CONJUGATE),
    Item("JAX's gradient declared to be the conjugate one", "gradient", lambda z: jnp.sum(jnp.abs(z) ** 2),
        lambda z: 2 * jnp.conj(z), (Z,), {"complex_convention": "conjugate"}, "conjugate: convention", CONJUGATE),
    Item("several outputs: conjugated for the real one", "vjp", several,
        lambda ct, z, x: (several_vjp(ct, z, x)[0], jnp.real(jnp.conj(ct["product"]) * z)), (Z, X),
        fault="conjugate: of a cotangent", causes=CONJUGATE),
    Item("squared modulus: jvp without its conjugate", "jvp", lambda z: jnp.abs(z) ** 2,
        lambda p, t: 2 * jnp.real(p[0] * t[0]), (Z,), fault="conjugate: forgotten", causes=CONJUGATE),
    Item("squared modulus: complex jvp", "jvp", lambda z: jnp.abs(z) ** 2,
        lambda p, t: 2 * jnp.conj(p[0]) * t[0], (Z,), fault="dtype: complex for real", causes=("dtype",)),
    Item("exp: custom jvp with a conjugate", "custom",
        with_jvp(jnp.exp, lambda p, t: jnp.conj(jnp.exp(p[0])) * t[0]), None, (Z,),
        fault="conjugate: too much", causes=CONJUGATE),
    Item("matmul: custom vjp with conjugates", "custom",
        with_vjp(lambda a, b: a @ b, lambda ct, a, b: (ct @ adjoint(jnp, b), adjoint(jnp, a) @ ct)), None, (A, B),
        fault="conjugate: convention", causes=CONJUGATE),
    Item("phase: custom vjp that is complex", "custom",
        with_vjp(lambda x: jnp.exp(1j * x), lambda ct, x: (1j * ct * jnp.exp(1j * x),)), None, (X,),
        fault="dtype: complex for real", causes=("dtype",)),
    Item("exp: custom vjp that is real", "custom",
        with_vjp(jnp.exp, lambda ct, z: (jnp.real(ct * jnp.exp(z)),)), None, (Z,),
        fault="dtype: real for complex", causes=("dtype",)),
    Item("exp: rule in complex64", "vjp", jnp.exp,
        lambda ct, z: ((ct * jnp.exp(z)).astype(jnp.complex64).astype(z.dtype),), (WIDE,),
        fault="cast: complex64", causes=("cast",)),
    Item("modulus: nothing at 0", "vjp", jnp.abs, lambda ct, z: (ct * jnp.conj(z) / jnp.abs(z),), (Z,),
        fault="point: 0", causes=("division",), special=True),
    Item("wrong on the real axis only", "gradient", lambda z: jnp.sum(jnp.abs(z) ** 2),
        lambda z: jnp.where(jnp.imag(z) == 0, z, 2 * jnp.conj(z)), (Z,),
        fault="point: real axis", causes=("special",), special=True),
    Item("numpy: rfft, interior bins twice", "vjp", lambda x: np.fft.rfft(np.asarray(x)),
        partial(rfft_by_irfft, np, inner=1.0), (normal(36, 4),), fault="weights: not halved", causes=WEIGHTS),
    Item("numpy: unitary, sign of i", "vjp", unitary, lambda ct, theta: unitary_vjp(np.conj(ct), theta), (0.5,),
        fault="conjugate: cotangent", causes=CONJUGATE),
]  # fmt: skip
