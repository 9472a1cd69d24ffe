"""Answers to the exercises of the notes, in NumPy. Look here last."""

from typing import Any

import numpy as np

from manual_vs_auto.notes.functions import EPSILON, softmax


def sigmoid_vjp(ct: Any, x: Any) -> Any:
    """With s = 1 / (1 + e), e = exp(-x): ds/dx = e / (1 + e)^2 = s (1 - s), and 1 - s is s at -x."""
    return (ct / (1 + np.exp(-x)) / (1 + np.exp(x)),)


def relu_vjp(ct: Any, x: Any) -> Any:
    """The slope is 1 where x > 0, and 0 elsewhere."""
    return (np.where(x > 0, ct, 0),)


def distance_vjp(ct: Any, p: Any, y: Any) -> Any:
    """Notes (7): 2 (p - y) by p, and minus that by y."""
    by_p = 2 * ct[:, None] * (p - y)
    return by_p, -by_p


def bilinear_vjp(ct: Any, A: Any, B: Any, x: Any) -> Any:
    """Notes (4): J_f = A and J_g = B, so A^T (B x) + B^T (A x)."""
    return (ct * (A.T @ (B @ x) + B.T @ (A @ x)),)


def matvec_vjp(ct: Any, W: Any, x: Any) -> Any:
    """Notes (10) and (3): the outer product, and the transposed Jacobian."""
    return np.outer(ct, x), W.T @ ct


def softmax_vjp(ct: Any, z: Any) -> Any:
    """Notes (8): (diag(s) - s s^T) ct = s * (ct - s . ct)."""
    s = softmax(z)
    return (s * (ct - np.sum(s * ct, axis=-1, keepdims=True)),)


def cross_entropy_vjp(ct: Any, z: Any, y: Any) -> Any:
    """f = (log sum_i exp(z_i)) sum_k y_k - sum_k y_k z_k: by z that is softmax(z) sum_k y_k - y, by y it is -log p."""
    centred = z - np.max(z, axis=-1, keepdims=True)
    log_p = centred - np.log(np.sum(np.exp(centred), axis=-1, keepdims=True))
    by_z = softmax(z) * np.sum(y, axis=-1, keepdims=True) - y
    return ct[:, None] * by_z, -ct[:, None] * log_p


def affine_vjp(ct: Any, W: Any, b: Any, X: Any) -> Any:
    """Notes (10): W's is the sum of the rows' outer products, b's the sum of the rows, X's goes back through W."""
    return ct.T @ X, np.sum(ct, axis=0) + 0 * b, ct @ W


def layer_norm_vjp(ct: Any, x: Any, scale: Any, shift: Any) -> Any:
    """With c = x - mean(x), r = sqrt(mean(c^2) + 1e-5), n = c / r and g = ct * scale, what goes back to n.

    To c, by the quotient: g / r - c mean(g c) / r^3, for dr/dc_i = c_i / (D r). To x, by the mean: less its own mean.
    """
    centred = x - np.mean(x, axis=-1, keepdims=True)
    root = np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + EPSILON)
    normal, g = centred / root, ct * scale[None, :]
    by_centred = (g - normal * np.mean(g * normal, axis=-1, keepdims=True)) / root
    by_x = by_centred - np.mean(by_centred, axis=-1, keepdims=True)
    return by_x, np.sum(ct * normal, axis=0), np.sum(ct, axis=0) + 0 * shift


def attention_vjp(ct: Any, Q: Any, K: Any, V: Any) -> Any:
    """With S = Q K^T / sqrt(D) and P = softmax(S): P's is ct V^T, S's is (8) of it, and (10) twice."""
    share = Q.shape[-1] ** -0.5
    weights = softmax(Q @ K.T * share)
    by_weights = ct @ V.T
    by_scores = share * softmax_vjp(by_weights, Q @ K.T * share)[0]
    return by_scores @ K, by_scores.T @ Q, weights.T @ ct
