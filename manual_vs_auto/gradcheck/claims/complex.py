"""Complex numbers as pairs of real ones: the checker is real inside, and meets the author's numbers at its boundary.

A complex array [...] is a real one [..., 2]: its real and its imaginary parts. Differences along 1 and along i,
autodiff in real arithmetic, probes and rounding are then what they are for any real array.

A real cotangent c of such a pair weighs a tangent t by c_re t_re + c_im t_im. The author's is one complex number, and
there are two conventions for it. JAX's is conj(c): jax.vjp is ct^T J without a conjugation, Re(ct t) is the weight, and
jax.grad of a real f is df/dx_re - i df/dx_im. The conjugate one is c: ct^H J, Re(conj(ct) t), df/dx_re + i df/dx_im; it
is PyTorch's, and where descent goes along minus the gradient. Tangents are t_re + i t_im in both.
"""

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.claims.tensors import is_tensor
from manual_vs_auto.gradcheck.claims.trees import import_jax

_REAL = {"complex64": "float32", "complex128": "float64"}


def real_dtype(dtype: object) -> str:
    """The dtype of the real part of what has this dtype."""
    name = str(dtype).removeprefix("torch.")
    return _REAL.get(name, name)


def is_complex(leaf: Any) -> bool:
    """Whether an array, a tracer or a Python number is complex."""
    if isinstance(leaf, np.ndarray):
        return bool(leaf.dtype.kind == "c")
    return isinstance(leaf, complex) or str(getattr(leaf, "dtype", "")).removeprefix("torch.") in _REAL


def join(pair: Any, conjugate: bool = False) -> Any:
    """Complex [...] of real [..., 2], NumPy's, torch's or traced.

    Raises: Refused where the pair is complex itself, as in a complex step.
    """
    if is_complex(pair):
        raise Refused(TypeError("the numbers are complex already"))
    if isinstance(pair, np.ndarray):
        # Not re + 1j * im: that loses the sign of a zero, which tells the sides of a branch cut, and infinities.
        whole = np.ascontiguousarray(pair).view(np.result_type(pair.dtype, np.complex64))[..., 0]
        return whole.conj() + 0 if conjugate else whole  # + 0: no negative zeros
    parts = pair[..., 0], -pair[..., 1] if conjugate else pair[..., 1]
    if is_tensor(pair):
        return sys.modules["torch"].complex(*parts)
    jax = import_jax()
    assert jax is not None
    return jax.lax.complex(*parts)


def split(whole: Any, conjugate: bool = False) -> Any:
    """Real [..., 2] of complex [...]; the imaginary part of what is real is 0."""
    if is_tensor(whole):
        torch = sys.modules["torch"]
        imaginary = whole.imag if is_complex(whole) else torch.zeros_like(whole)
        return torch.stack([whole.real, -imaginary if conjugate else imaginary], -1)
    jax = import_jax()
    xp = jax.numpy if jax is not None and isinstance(whole, jax.Array) else np
    imaginary = xp.imag(whole)
    return xp.stack([xp.real(whole), -imaginary if conjugate else imaginary], axis=-1)


def joined(arrays: Iterable[Any], which: Iterable[bool], conjugate: bool = False) -> list[Any]:
    """The arrays with those that are pairs joined."""
    return [join(a, conjugate) if pair else a for a, pair in zip(arrays, which, strict=True)]


def taken_apart(arrays: Iterable[Any], which: Iterable[bool], conjugate: bool = False) -> list[Any]:
    """The arrays with those that are to be pairs split."""
    return [split(a, conjugate) if pair else a for a, pair in zip(arrays, which, strict=True)]


def element(name: str, index: tuple[int, ...], pair: bool) -> str:
    """What an element is called: W[0, 1], or W[0, 1].imag where it is one of a pair."""
    part = f".{('real', 'imag')[index[-1]]}" if pair and index else ""
    outer = index[:-1] if pair else index
    return f"{name}[{', '.join(map(str, outer))}]{part}" if outer else name + part
