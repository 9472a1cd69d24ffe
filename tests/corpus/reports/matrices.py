"""Factorisations and functions of matrices, at equal and zero values too."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.corpus.functions import definite, normal, regular, symmetric
from tests.corpus.item import Item
from tests.corpus.reports.pair import Wrong, pair

Vjp = tuple[Any, ...]
EYE = np.eye(3, dtype=np.float32)


def _symmetric(a: Any) -> Any:
    return (a + a.T) / 2.0


def cholesky_vjp(ct: Any, a: Any, half: float = 0.5, turned: bool = True) -> Vjp:
    low = jnp.linalg.cholesky(a)
    inner = jnp.tril(low.T @ ct)
    inner = inner - (1.0 - half) * jnp.diag(jnp.diag(inner))
    inverse = jnp.linalg.inv(low)
    return (_symmetric(inverse.T @ inner @ inverse if turned else inverse @ inner @ inverse.T),)


def substituted(low: Any, b: Any) -> Any:
    """Solve low x = b, the lower triangle alone."""
    return jax.scipy.linalg.solve_triangular(low, b, lower=True)


def substituted_vjp(ct: Any, low: Any, b: Any, turned: bool = True) -> Vjp:
    g = jax.scipy.linalg.solve_triangular(low.T if turned else low, ct, lower=not turned)
    return -jnp.tril(jnp.outer(g, substituted(low, b))), g


def eigenvalues(a: Any) -> Any:
    return jnp.linalg.eigvalsh(a)


def eigenvalues_vjp(ct: Any, a: Any) -> Vjp:
    v = jnp.linalg.eigh(_symmetric(a))[1]
    return ((v * ct) @ v.T,)


def _eigenvalues_turned(ct: Any, a: Any) -> Vjp:
    v = jnp.linalg.eigh(_symmetric(a))[1]
    return (v.T @ (ct[:, None] * v),)


def lowest_space(a: Any) -> Any:
    """The projection onto the eigenvector of the smallest eigenvalue."""
    v = jnp.linalg.eigh(a)[1][:, 0]
    return jnp.outer(v, v)


def lowest_space_vjp(ct: Any, a: Any, sign: float = 1.0) -> Vjp:
    w, v = jnp.linalg.eigh(_symmetric(a))
    gap = w[0] - w[1:]
    row = (v.T @ _symmetric(ct) @ v)[0, 1:] * sign / jnp.where(gap == 0, jnp.inf, gap)
    inner = jnp.zeros_like(a).at[0, 1:].set(row).at[1:, 0].set(row)
    return (v @ inner @ v.T,)


def root(a: Any) -> Any:
    w, v = jnp.linalg.eigh(a)
    return (v * jnp.sqrt(w)) @ v.T


def _smooth(w: Any) -> Any:
    return 1.0 / (jnp.sqrt(w)[:, None] + jnp.sqrt(w)[None, :])


def _divided(w: Any) -> Any:
    """The same, as differences over differences, with 0 where they are 0, and right on the diagonal."""
    apart = w[:, None] - w[None, :]
    rough = apart == 0
    quotient = _smooth(w) * apart / jnp.where(rough, 1.0, apart)
    return jnp.where(jnp.eye(w.shape[0], dtype=bool), 0.5 / jnp.sqrt(w), quotient)


def root_vjp(ct: Any, a: Any, share: Any = _smooth) -> Vjp:
    w, v = jnp.linalg.eigh(_symmetric(a))
    return (v @ (share(w) * (v.T @ _symmetric(ct) @ v)) @ v.T,)


def singular_values(a: Any) -> Any:
    return jnp.linalg.svd(a, compute_uv=False)


def singular_values_vjp(ct: Any, a: Any) -> Vjp:
    u, _, v = jnp.linalg.svd(a, full_matrices=False)
    return ((u * ct) @ v,)


def nuclear_grad(a: Any) -> Any:
    u, _, v = jnp.linalg.svd(a, full_matrices=False)
    return u @ v


def rotation(a: Any) -> Any:
    """The orthogonal factor of the polar decomposition."""
    u, _, v = jnp.linalg.svd(a)
    return u @ v


def rotation_vjp(ct: Any, a: Any, equal: float = 1.0) -> Vjp:
    """equal: what stands for the share of two equal singular values, times its right value."""
    u, s, v = jnp.linalg.svd(a)
    m = u.T @ ct @ v.T
    share = jnp.where(s[:, None] == s[None, :], equal, 1.0) / (s[:, None] + s[None, :])
    return (u @ ((m - m.T) * share) @ v,)


def fitted(a: Any, b: Any) -> Any:
    return jnp.linalg.pinv(a) @ b


def fitted_vjp(ct: Any, a: Any, b: Any, residual: bool = True) -> Vjp:
    inverse = jnp.linalg.pinv(a)
    x, g = inverse @ b, inverse.T @ ct
    da = jnp.outer(inverse.T @ x, ct - a.T @ g) - jnp.outer(g, x)
    return da + (jnp.outer(b - a @ x, inverse @ g) if residual else 0.0), g


def determinant_grad(a: Any) -> Any:
    """By the singular values, none divided by."""
    u, s, v = jnp.linalg.svd(a)
    others = jnp.prod(jnp.where(jnp.eye(s.shape[0], dtype=bool), 1.0, s), axis=1)
    return jnp.linalg.det(u) * jnp.linalg.det(v) * (u * others) @ v


def upper(a: Any) -> Any:
    """R of the QR decomposition, its diagonal made positive."""
    r = jnp.linalg.qr(a)[1]
    return jnp.sign(jnp.diagonal(r))[:, None] * r


def upper_vjp(ct: Any, a: Any, mirrored: bool = True) -> Vjp:
    """Q copyltu(M) R^-T with M = R ct' (ct's upper triangle), copyltu(M) = tril(M) + tril(M, -1)'."""
    r = upper(a)
    q = jnp.linalg.solve(r.T, a.T).T
    m = r @ jnp.triu(ct).T
    inner = jnp.tril(m) + (jnp.tril(m, -1).T if mirrored else 0.0)
    return (jnp.linalg.solve(r, (q @ inner).T).T,)


def lyapunov(a: Any, c: Any) -> Any:
    """The X of A X + X A' = C."""
    n, eye = a.shape[0], jnp.eye(a.shape[0], dtype=a.dtype)
    return jnp.linalg.solve(jnp.kron(a, eye) + jnp.kron(eye, a), c.reshape(-1)).reshape(n, n)


def lyapunov_vjp(ct: Any, a: Any, c: Any, turned: bool = True) -> Vjp:
    x, s = lyapunov(a, c), lyapunov(a.T if turned else a, ct)
    return -s @ x.T - s.T @ x, s


def cholesky_log(a: Any) -> Any:
    """The logarithm of the determinant."""
    return 2.0 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(a))))


DEFINITE = {"structure": {"a": "positive_definite"}}
SYMMETRIC = {"structure": {"a": "symmetric"}}
DIAGONAL = np.diag(np.array([1, 2, 4], np.float32))
ITEMS: list[Item] = [
    *pair("cholesky", "vjp", lambda a: jnp.linalg.cholesky(a), cholesky_vjp, (definite(1, 3),),
          Wrong("diagonal not halved", lambda ct, a: cholesky_vjp(ct, a, 1.0)),
          Wrong("factors transposed, diagonal sample", lambda ct, a: cholesky_vjp(ct, a, turned=False),
                ("transpose", "untransposed"), (DIAGONAL,)), **DEFINITE),
    *pair("forward substitution", "vjp", substituted, substituted_vjp,
          (np.tril(regular(2, 3)), normal(3, 3)),
          Wrong("factor not transposed, diagonal sample", lambda ct, low, b: substituted_vjp(ct, low, b, False),
                ("untransposed", "transpose"), (DIAGONAL, normal(3, 3))),
          structure={"low": "lower_triangular"}),
    *pair("eigenvalues, all equal", "vjp", eigenvalues, eigenvalues_vjp, (EYE,),
          Wrong("eigenvectors transposed, diagonal sample", _eigenvalues_turned, ("transpose",), (DIAGONAL,)),
                **SYMMETRIC),
    *pair("eigenvalues", "vjp", eigenvalues, eigenvalues_vjp, (symmetric(4, 3),), **SYMMETRIC),
    *pair("projection onto an eigenvector", "vjp", lowest_space, lowest_space_vjp, (symmetric(5, 3),),
          Wrong("subtraction of eigenvalues swapped", lambda ct, a: lowest_space_vjp(ct, a, -1.0), ("sign", "swapped")),
          **SYMMETRIC),
    *pair("root of a matrix, eigenvalues equal", "vjp", root, root_vjp, (2.0 * EYE,),
          Wrong("0 between equal eigenvalues", lambda ct, a: root_vjp(ct, a, _divided), (), (definite(6, 3),), True),
          **DEFINITE),
    *pair("singular values, all equal", "vjp", singular_values, singular_values_vjp, (2.0 * EYE,),
          Wrong("transposed, symmetric sample", lambda ct, a: (singular_values_vjp(ct, a)[0].T,), ("transpose",),
                (definite(7, 3),))),
    *pair("singular values, some zero", "vjp", singular_values, singular_values_vjp,
          (np.outer([1, 2, 0], [1, -1, 3]).astype(np.float32),)),
    *pair("nuclear norm, singular values equal", "gradient", lambda a: jnp.sum(singular_values(a)), nuclear_grad,
          (EYE,)),
    *pair("orthogonal factor, singular values equal", "vjp", rotation, rotation_vjp, (2.0 * EYE,),
          Wrong("0 between equal singular values", lambda ct, a: rotation_vjp(ct, a, 0.0), (), (regular(15, 3),),
                True)),
    *pair("least squares", "vjp", fitted, fitted_vjp, (normal(8, 5, 3), normal(9, 5)),
          Wrong("residual's term forgotten, nothing left in the sample", lambda ct, a, b: fitted_vjp(ct, a, b, False),
                ("term",), (regular(8, 3), normal(9, 3)))),
    *pair("determinant of a singular matrix", "gradient", jnp.linalg.det, determinant_grad,
          (np.diag(np.array([1, 2, 0], np.float32)),),
          Wrong("times the inverse", lambda a: jnp.linalg.det(a) * jnp.linalg.inv(a).T, (), (regular(10, 3),), True)),
    *pair("upper factor", "vjp", upper, upper_vjp, (regular(11, 3),),
          Wrong("lower half not mirrored", lambda ct, a: upper_vjp(ct, a, False))),
    *pair("lyapunov's equation", "vjp", lyapunov, lyapunov_vjp, (regular(12, 3), normal(13, 3, 3)),
          Wrong("solved untransposed, symmetric sample", lambda ct, a, c: lyapunov_vjp(ct, a, c, False),
                ("untransposed", "transpose"), (definite(12, 3), normal(13, 3, 3)))),
    *pair("log determinant by cholesky", "gradient", cholesky_log, lambda a: jnp.linalg.inv(a), (definite(14, 3),),
          Wrong("half of it", lambda a: 0.5 * jnp.linalg.inv(a), ("factor",)), **DEFINITE),
]  # fmt: skip
