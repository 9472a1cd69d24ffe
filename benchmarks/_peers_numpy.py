"""What `autograd.numpy` and `jax.numpy` both differentiate, written once: np is the one or the other."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks._peers_item import Line, lines

_Chosen = tuple[str, dict[str, Any]]
# Where a function's documentation restricts it, or numbers that are not normal ones suit it better.
_UNARY: dict[str, _Chosen] = {
    "arccos": ("a34", {"domain": (-1, 1)}),
    "arcsin": ("a34", {"domain": (-1, 1)}),
    "arctanh": ("a34", {"domain": (-1, 1)}),
    "arccosh": ("g34", {"domain": (1, None)}),
    "log": ("p34", {"domain": (0, None)}),
    "log2": ("p34", {"domain": (0, None)}),
    "log10": ("p34", {"domain": (0, None)}),
    "log1p": ("p34", {"domain": (-1, None)}),
    "sqrt": ("p34", {"domain": (0, None)}),
    "reciprocal": ("p34", {}),
}
_POSITIVE_BASE = {"domain": [(0, None), None]}
_BINARY: dict[str, tuple[_Chosen, ...]] = {
    "power": (("p34 n34", _POSITIVE_BASE), ("p34 n4", _POSITIVE_BASE)),
    "float_power": (("p4 n4", _POSITIVE_BASE),),
    **dict.fromkeys(("divide", "remainder", "fmod", "floor_divide"), (("n34 p34", {}), ("n34 p4", {}), ("t5 p", {}))),
}


def ufuncs(module: Any) -> Iterator[Line]:
    """Every floating ufunc of NumPy that the module has, too: one argument in two samples, two in three pairings."""
    for name in sorted(vars(np)):
        ufunc = getattr(np, name)
        if not isinstance(ufunc, np.ufunc) or ufunc.__name__ != name or not hasattr(module, name):
            continue
        if ufunc.signature is not None or f"{'d' * ufunc.nin}->d" not in ufunc.types:
            continue
        chosen: tuple[_Chosen, ...]
        if ufunc.nin == 1:
            samples, options = _UNARY.get(name, ("n34", {}))
            chosen = ((samples, options), (samples[0] + "5" if name in _UNARY else "z5", options))
        else:
            chosen = _BINARY.get(name, (("n34 p34", {}), ("n34 n4", {}), ("n t5", {})))
        for samples, options in chosen:
            yield Line(f"np.{name}({', '.join('xy'[: ufunc.nin])})", samples, options)


def shared() -> Iterator[Line]:
    """The table."""
    return lines(_TABLE)


_TABLE = """
np.sum(x) | n34
np.sum(x, axis=0) | n34
np.sum(x, axis=(0, 2), keepdims=True) | n324
np.mean(x) | n34
np.mean(x, axis=1) | n34
np.mean(x, axis=(0, 1)) | n324
np.mean(x, axis=-1, keepdims=True) | n34
np.prod(x) | n4
np.prod(x, axis=1) | n34
np.var(x) | n5
np.var(x, axis=0, ddof=1) | n34
np.std(x) | n34
np.std(x, axis=1, keepdims=True) | n34
np.max(x) | n34
np.max(x, axis=1) | n34
np.max(x, axis=0) | t34
np.min(x, axis=0, keepdims=True) | n34
np.amax(x) | n5
np.amin(x) | t6
np.cumsum(x, axis=1) | n34
np.cumsum(x, axis=0) | n5
np.diff(x) | n34
np.diff(x, n=2, axis=0) | n53
np.gradient(x) | n6
np.gradient(x, axis=1) | n56
np.sort(x) | n6
np.sort(x) | t6
np.partition(x, 2) | n6
np.clip(x, -0.5, 0.7) | n34
np.clip(x, -0.5, 0.7) | z5
np.where(z, x, y) | n34 n34 b34
np.where(x > 0, x, 0.1 * x) | n34
np.where(x > 0, x, 0.1 * x) | z34
np.transpose(x) | n34
np.transpose(x, (2, 0, 1)) | n324
np.swapaxes(x, 0, 2) | n324
np.moveaxis(x, 0, 2) | n324
np.rollaxis(x, 2) | n324
np.reshape(x, (4, 3)) | n34
np.ravel(x) | n34
np.squeeze(x) | n314
np.expand_dims(x, 1) | n34
np.roll(x, 2) | n34
np.roll(x, 1, axis=1) | n34
np.flipud(x) | n34
np.fliplr(x) | n34
np.rot90(x) | n34
np.rot90(x, k=3) | n34
np.diag(x) | n4
np.diag(x) | n44
np.diag(x, k=1) | n44
np.diagonal(x, 0, -1, -2) | n44
np.trace(x) | n44
np.trace(x) | n34
np.triu(x) | n34
np.tril(x, -1) | n44
np.tile(x, (2, 3)) | n34
np.repeat(x, 2, axis=1) | n34
np.repeat(x, 3) | n23
np.concatenate([x, y], axis=1) | n32 n34
np.stack([x, y], axis=1) | n34 n34
np.vstack([x, y]) | n34 n4
np.hstack([x, y]) | n32 n34
np.column_stack([x, y]) | n4 n42
np.append(x, y) | n3 n4
np.split(x, 2, axis=1) | n34
np.array_split(x, 3) | n5
np.hsplit(x, 2) | n34
np.vsplit(x, 2) | n43
np.dsplit(x, 2) | n234
np.pad(x, ((1, 0), (2, 1)), mode='constant') | n34
np.broadcast_to(x, (3, 4)) | n14
np.kron(x, y) | n23 n32
np.outer(x, y) | n3 n4
np.inner(x, y) | n34 n24
np.inner(x, y) | n4 n4
np.dot(x, y) | n4 n4
np.dot(x, y) | n34 n4
np.dot(x, y) | n34 n42
np.dot(x, y) | n z3
np.matmul(x, y) | n34 n42
np.matmul(x, y) | n234 n42
np.matmul(x, y) | n234 n245
np.matmul(x, y) | n4 n42
np.matmul(x, y) | n34 n4
np.tensordot(x, y, axes=1) | n34 n42
np.tensordot(x, y, axes=2) | n234 n342
np.tensordot(x, y, axes=([0, 2], [1, 0])) | n324 n43
np.einsum('ij,jk->ik', x, y) | n34 n42
np.einsum('ij->j', x) | n34
np.einsum('bij,bj->bi', x, y) | n234 n24
np.einsum('i,j->ij', x, y) | n3 n4
np.einsum('ij,ij->', x, y) | n34 n34
np.einsum('...ij,...jk->...ik', x, y) | n234 n245
np.cross(x, y) | n43 n43
np.cross(x, y) | n3 n3
np.linspace(x, y, 5) | n n
np.full((3, 2), x) | n
np.nan_to_num(x) | n34
np.atleast_2d(x) | n4
np.sinc(x) | n34
np.array([x[0], x[1] * x[2]]) | n3
x[1:3] | n34
x[::-1, 0] | n34
x[:, [0, 2, 2]] | n34
x[y] | n4 k5
x[y] | n43 k3
np.sum(x ** 2) | z34
np.exp(-(x ** 2)) / (1 + x ** 2) | n5
np.log(np.sum(np.exp(x), axis=1)) | n34
np.maximum(x @ y, 0) | n34 n42
np.tanh(x @ y + z) | n34 n42 n2
np.mean((x - np.mean(x, axis=0)) ** 2 / (np.var(x, axis=0) + 0.1)) | n53
np.sqrt(np.sum(x ** 2, axis=1)) | n34
np.linalg.norm(x) | n4
np.linalg.norm(x) | n34
np.linalg.norm(x, axis=1) | n34
np.linalg.norm(x, ord=3) | n5
np.linalg.norm(x, ord=1.5, axis=1) | p34
np.linalg.norm(x, 'fro') | n34
np.linalg.norm(x, 'nuc') | n34
np.linalg.det(x) | n33
np.linalg.det(x) | n233
np.linalg.slogdet(x)[1] | n44
np.linalg.inv(x) | s33
np.linalg.inv(x) | n33
np.linalg.pinv(x) | n34
np.linalg.pinv(x) | n43
np.linalg.solve(x, y) | s33 n3
np.linalg.solve(x, y) | n33 n32
np.linalg.eigh(x)[0] | s33
np.linalg.eigh(x)[0] | s55
np.linalg.eigh(x)[1] | s33
np.linalg.cholesky(x) | s33 | structure={'x': 'positive_definite'}
np.linalg.cholesky(x) | s55 | structure={'x': 'positive_definite'}
np.linalg.svd(x, compute_uv=False) | n34
np.linalg.svd(x, full_matrices=False)[0] | n43
np.linalg.svd(x, full_matrices=False)[1] | n43
np.linalg.svd(x, full_matrices=False)[2] | n34
np.real(np.fft.fft(x)) | n6
np.imag(np.fft.fft(x)) | n5
np.abs(np.fft.fft(x)) ** 2 | n6
np.real(np.fft.ifft(x)) | n6
np.real(np.fft.fft2(x)) | n34
np.real(np.fft.ifft2(x)) | n44
np.real(np.fft.fftn(x)) | n234
np.real(np.fft.rfft(x)) | n6
np.imag(np.fft.rfft(x)) | n4
np.real(np.fft.rfft2(x)) | n44
np.fft.irfft(np.fft.rfft(x)) | n6
np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(y)) | n6 n6
np.fft.fftshift(x) | n5
np.fft.ifftshift(x) | n34
"""

COMPLEX = """
np.fft.fft(x) | n6
np.fft.fft(x) | c6
np.fft.ifft(x) | c5
np.fft.fft2(x) | c34
np.fft.ifft2(x) | c34
np.fft.fftn(x) | c234
np.fft.rfft(x) | n6
np.fft.rfft(x, axis=0) | n43
np.fft.irfft(x) | c4
np.fft.rfft2(x) | n44
np.fft.irfft2(x) | c43
np.fft.fftshift(x) | c5
np.exp(x) | c34
np.sin(x) | c34
np.cosh(x) | c5
np.square(x) | c34
np.reciprocal(x) | c5
np.multiply(x, y) | c34 c4
np.multiply(x, y) | c34 n4
np.divide(x, y) | c5 c5
np.conj(x) | c34
np.real(x) | c34
np.imag(x) | c34
np.abs(x) | c34
np.abs(x) ** 2 | c34
np.angle(x) | c5
np.sum(x, axis=0) | c34
np.dot(x, y) | c34 c42
np.matmul(x, y) | c34 c4
np.einsum('ij,jk->ik', x, y) | c34 c42
np.linalg.inv(x) | c33
np.linalg.det(x) | c33
np.linalg.solve(x, y) | c33 c3
np.linalg.norm(x) | c5
np.where(y, x, 2 * x) | c34 b34
"""
