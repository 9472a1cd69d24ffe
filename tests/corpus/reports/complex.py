"""Complex arguments and outputs. In JAX's convention unless the name says otherwise:

the pullback of f at z takes ct to ct (df / dz) + conj(ct) conj(df / dz*), so that the gradient of |z|^2 is 2 z*. The
conjugate convention, which is PyTorch's and TensorFlow's, takes ct to conj(ct) (df / dz*) + ct conj(df / dz): 2 z.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus.functions import normal
from tests.corpus.item import Item
from tests.corpus.reports.pair import Wrong, pair

Vjp = tuple[Any, ...]


def complexes(seed: int, *shape: int, dtype: Any = np.complex64) -> Any:
    return (normal(seed, *shape) + 1j * normal(seed + 100, *shape)).astype(dtype)


Z, REAL = complexes(1, 4), normal(2, 4).astype(np.complex64)
CONJUGATED = ("conjugate",)
DECLARED: dict[str, Any] = {"complex_convention": "conjugate"}


def _holomorphic(slope: Any) -> Any:
    return lambda ct, z: (ct * slope(z),)


def _conjugate(slope: Any) -> Any:
    return lambda ct, z: (ct * jnp.conj(slope(z)),)


def _size(z: Any) -> Any:
    r = jnp.abs(z)
    return jnp.where(r == 0, 1.0, r)


def phase(z: Any) -> Any:
    return z / jnp.abs(z)


def phase_vjp(ct: Any, z: Any, both: bool = True) -> Vjp:
    r = jnp.abs(z)
    return (ct / (2 * r) - (jnp.conj(ct) * jnp.conj(z) ** 2 / (2 * r**3) if both else 0.0),)


def rfft_vjp(ct: Any, x: Any) -> Vjp:
    return (jnp.fft.fft(ct, x.shape[0]).real.astype(x.dtype),)


def _rfft_vjp_inverse(ct: Any, x: Any) -> Vjp:
    return (x.shape[0] * jnp.fft.irfft(jnp.conj(ct), x.shape[0]),)


def irfft_vjp(ct: Any, z: Any, doubled: bool = True) -> Vjp:
    n, k = ct.shape[0], jnp.arange(z.shape[0])
    single = (k == 0) | (2 * k == n) if doubled else k >= 0
    return (jnp.where(single, 1.0, 2.0).astype(ct.dtype) / n * jnp.conj(jnp.fft.rfft(ct)),)


def power(z: Any) -> Any:
    return jnp.sum(jnp.real(z * jnp.conj(z)))


def spectrum(x: Any) -> Any:
    """The power in each frequency."""
    return jnp.abs(jnp.fft.rfft(x)) ** 2


def spectrum_vjp(ct: Any, x: Any) -> Vjp:
    return rfft_vjp(2.0 * ct * jnp.conj(jnp.fft.rfft(x)), x)


def _matmul_vjp(ct: Any, a: Any, b: Any) -> Vjp:
    return ct @ b.T, a.T @ ct


def _matmul_vjp_conjugate(ct: Any, a: Any, b: Any) -> Vjp:
    return ct @ b.conj().T, a.conj().T @ ct


def turned(angle: Any) -> Any:
    return jnp.exp(1j * angle)


def joined(x: Any, y: Any) -> Any:
    return jax.lax.complex(x, y)


def overlap(a: Any, b: Any) -> Any:
    """The square of |<a, b>|."""
    inner = jnp.vdot(a, b)
    return jnp.real(inner * jnp.conj(inner))


def overlap_grads(a: Any, b: Any, conj: Any = jnp.conj) -> Vjp:
    inner = jnp.vdot(a, b)
    return 2 * inner * conj(b), 2 * jnp.conj(inner) * jnp.conj(a)


def _fft_back(ct: Any, z: Any) -> Vjp:
    return (z.shape[0] * jnp.fft.ifft(ct),)


EXP = _holomorphic(jnp.exp)
ITEMS: list[Item] = [
    *pair("complex exp", "vjp", jnp.exp, EXP, (Z,),
          Wrong("slope conjugated, real sample", _conjugate(jnp.exp), CONJUGATED, (REAL,))),
    *pair("complex exp: conjugate convention", "vjp", jnp.exp, _conjugate(jnp.exp), (Z,), **DECLARED),
    *pair("complex exp: custom rule", "custom vjp", lambda z: jnp.exp(z), EXP, (Z,),
          Wrong("the real part of the slope", _holomorphic(lambda z: jnp.exp(z).real), ("imaginary", "term"))),
    *pair("complex exp: custom jvp in complex128", "custom jvp", lambda z: jnp.exp(z), lambda p,
          t: jnp.exp(p[0]) * t[0],
          (complexes(3, 3, dtype=np.complex128),)),
    *pair("complex tanh", "vjp", jnp.tanh, _holomorphic(lambda z: 1.0 - jnp.tanh(z) ** 2), (0.5 * Z,),
          Wrong("1 - |y|^2, real sample", _holomorphic(lambda z: 1.0 - jnp.abs(jnp.tanh(z)) ** 2), CONJUGATED,
                (REAL,))),
    *pair("complex square root", "vjp", jnp.sqrt, _holomorphic(lambda z: 0.5 / jnp.sqrt(z)), (Z,)),
    *pair("complex logarithm", "vjp", jnp.log, _holomorphic(lambda z: 1.0 / z), (Z,)),
    *pair("complex quotient", "vjp", lambda a, b: a / b, lambda ct, a, b: (ct / b, -ct * a / b**2), (Z,
          complexes(4, 4)),
          Wrong("by |b|^2 for b^2, real sample", lambda ct, a, b: (ct / b, -ct * a / jnp.abs(b) ** 2), CONJUGATED,
                (REAL, normal(5, 4).astype(np.complex64)))),
    *pair("absolute value", "vjp", jnp.abs, lambda ct, z: (ct * jnp.conj(z) / _size(z),), (Z,),
          Wrong("not conjugated, real sample", lambda ct, z: (ct * z / _size(z),), CONJUGATED, (REAL,)),
          Wrong("by the real part alone, real sample", lambda ct, z: ((ct * z.real / _size(z)).astype(z.dtype),),
                ("imaginary", "term"), (REAL,))),
    *pair("absolute value: conjugate convention", "vjp", jnp.abs, lambda ct, z: (ct * z / _size(z),), (Z,), **DECLARED),
    *pair("absolute value at 0", "custom vjp", lambda z: jnp.abs(z), lambda ct, z: (ct * jnp.conj(z) / _size(z),),
          (np.array([0, 1, 1j], np.complex64),)),
    *pair("absolute value: jvp", "jvp", jnp.abs, lambda p, t: jnp.real(jnp.conj(p[0]) * t[0]) / _size(p[0]), (Z,),
          Wrong("of z for its conjugate", lambda p, t: jnp.real(p[0] * t[0]) / _size(p[0]), CONJUGATED)),
    *pair("squared modulus", "gradient", power, lambda z: 2.0 * jnp.conj(z), (Z,),
          Wrong("d / dz alone, which is half", jnp.conj, ("factor",)),
          Wrong("not conjugated", lambda z: 2.0 * z, CONJUGATED)),
    *pair("squared modulus: conjugate convention", "gradient", power, lambda z: 2.0 * z, (Z,), **DECLARED),
    *pair("conjugate", "vjp", jnp.conj, lambda ct, z: (jnp.conj(ct),), (Z,),
          Wrong("as if it were the identity", lambda ct, z: (ct,), CONJUGATED)),
    *pair("conjugate: jvp", "jvp", jnp.conj, lambda p, t: jnp.conj(t[0]), (Z,)),
    *pair("real part", "vjp", jnp.real, lambda ct, z: (ct.astype(z.dtype),), (Z,)),
    *pair("imaginary part", "vjp", jnp.imag, lambda ct, z: (-1j * ct,), (Z,),
          Wrong("i for -i", lambda ct, z: (1j * ct,), ("sign", *CONJUGATED))),
    *pair("imaginary part: conjugate convention", "vjp", jnp.imag, lambda ct, z: (1j * ct,), (Z,), **DECLARED),
    *pair("angle", "vjp", jnp.angle, lambda ct, z: (-1j * ct / z,), (Z,),
          Wrong("of the conjugate", lambda ct, z: (-1j * ct / jnp.conj(z),), CONJUGATED)),
    *pair("angle at 0", "vjp", jnp.angle, lambda ct, z: (-1j * ct / jnp.where(z == 0, 1.0, z),),
          (np.array([0, 1, 1j], np.complex64),)),
    *pair("phase", "vjp", phase, phase_vjp, (Z,),
          Wrong("modulus held constant", lambda ct, z: (ct / jnp.abs(z),), ("term", "path")),
          Wrong("d / dz alone", lambda ct, z: phase_vjp(ct, z, False), ("term",))),
    *pair("phase: jvp", "jvp", phase,
          lambda p, t: t[0] / jnp.abs(p[0]) - p[0] * jnp.real(jnp.conj(p[0]) * t[0]) / jnp.abs(p[0]) ** 3, (Z,)),
    *pair("fft", "vjp", jnp.fft.fft, lambda ct, z: (jnp.fft.fft(ct),), (complexes(6, 4),),
          Wrong("its inverse", lambda ct, z: (jnp.fft.ifft(ct),), ("conjugate",))),
    *pair("fft: conjugate convention", "vjp", jnp.fft.fft, _fft_back, (complexes(6, 4),), **DECLARED),
    *pair("rfft", "vjp", jnp.fft.rfft, rfft_vjp, (normal(7, 6),),
          Wrong("inverse, which counts the middle twice", _rfft_vjp_inverse, ("cotangent",))),
    *pair("rfft: custom rule, odd length", "custom vjp", lambda x: jnp.fft.rfft(x), rfft_vjp, (normal(8, 5),)),
    *pair("rfft: jvp", "jvp", jnp.fft.rfft, lambda p, t: jnp.fft.rfft(t[0]), (normal(8, 5),)),
    *pair("irfft", "vjp", jnp.fft.irfft, irfft_vjp, (complexes(9, 4),),
          Wrong("middle counted once", lambda ct, z: irfft_vjp(ct, z, False), ("mask",))),
    *pair("power spectrum", "vjp", spectrum, spectrum_vjp, (normal(10, 6),)),
    *pair("complex matmul", "vjp", lambda a, b: a @ b, _matmul_vjp, (complexes(11, 2, 3), complexes(12, 3, 2)),
          Wrong("conjugated, real sample", _matmul_vjp_conjugate, CONJUGATED,
                (normal(11, 2, 3).astype(np.complex64), normal(12, 3, 2).astype(np.complex64)))),
    *pair("complex matmul: conjugate convention", "vjp", lambda a, b: a @ b, _matmul_vjp_conjugate,
          (complexes(11, 2, 3), complexes(12, 3, 2)), **DECLARED),
    *pair("overlap of two states", "gradient", overlap, overlap_grads, (complexes(13, 3), complexes(14, 3)),
          Wrong("second state not conjugated, second state real", lambda a, b: overlap_grads(a, b, lambda b: b),
                CONJUGATED,
                (complexes(13, 3), normal(14, 3).astype(np.complex64))), argnums=(0, 1)),
    *pair("turn by a real angle", "vjp", turned, lambda ct, x: (jnp.real(1j * ct * jnp.exp(1j * x)),), (normal(15, 4),),
          Wrong("conjugated", lambda ct, x: (jnp.real(1j * ct * jnp.exp(-1j * x)),), CONJUGATED)),
    *pair("complex of two reals", "vjp", joined, lambda ct, x, y: (ct.real, -ct.imag), (normal(16, 4), normal(17, 4)),
          Wrong("the imaginary part's sign", lambda ct, x, y: (ct.real, ct.imag), ("sign", *CONJUGATED))),
]  # fmt: skip
