"""Functions that only NumPy can run, which tracing can't enter, each with its right derivative beside it."""

import math
from typing import Any

import numpy as np


def np_energy(x: Any) -> Any:
    x = np.asarray(x)
    return 0.5 * np.sum(x**2) + np.sum(np.cos(x))


def np_energy_grad(x: Any) -> Any:
    x = np.asarray(x)
    return x - np.sin(x)


def np_logdet(A: Any) -> Any:
    return np.linalg.slogdet(np.asarray(A))[1]


def np_logdet_grad(A: Any) -> Any:
    return np.linalg.inv(np.asarray(A)).T


def np_least_squares(w: Any, x: Any, y: Any) -> float:
    r = np.asarray(x) @ np.asarray(w) - np.asarray(y)
    return float(0.5 * r @ r)


def np_least_squares_grad(w: Any, x: Any, y: Any) -> Any:
    w, x, y = np.asarray(w), np.asarray(x), np.asarray(y)
    return x.T @ (x @ w - y)


def np_softmax(x: Any) -> Any:
    x = np.asarray(x)
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def np_softmax_vjp(ct: Any, x: Any) -> Any:
    y, ct = np_softmax(x), np.asarray(ct)
    return (y * (ct - np.sum(ct * y, axis=-1, keepdims=True)),)


def np_linear(x: Any, w: Any, b: Any) -> Any:
    return np.asarray(x) @ np.asarray(w) + np.asarray(b)


def np_linear_vjp(ct: Any, x: Any, w: Any, b: Any) -> Any:
    ct = np.asarray(ct)
    return ct @ np.asarray(w).T, np.asarray(x).T @ ct, ct.sum(axis=0)


def np_solve(A: Any, b: Any) -> Any:
    return np.linalg.solve(np.asarray(A), np.asarray(b))


def np_solve_vjp(ct: Any, A: Any, b: Any) -> Any:
    db = np.linalg.solve(np.asarray(A).T, np.asarray(ct))
    return -np.outer(db, np_solve(A, b)), db


def np_smooth(x: Any) -> Any:
    """Average each element with its left neighbour, in a loop."""
    x = np.asarray(x)
    y = np.empty_like(x)
    for i in range(x.shape[0]):
        y[i] = 0.5 * (x[i] + x[i - 1])
    return y


def np_smooth_vjp(ct: Any, x: Any) -> Any:
    ct = np.asarray(ct)
    return (0.5 * (ct + np.roll(ct, -1)),)


def np_rosenbrock(x: Any) -> float:
    x = np.asarray(x)
    return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))


def np_rosenbrock_grad(x: Any) -> Any:
    x = np.asarray(x)
    g = np.zeros_like(x)
    g[1:] += 200.0 * (x[1:] - x[:-1] ** 2)
    g[:-1] += -400.0 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2.0 * (1.0 - x[:-1])
    return g


def np_distance(x: Any, y: Any) -> Any:
    return math.sqrt(float(np.sum((np.asarray(x) - np.asarray(y)) ** 2)) + 1.0)


def np_distance_grad(x: Any, y: Any) -> Any:
    return (np.asarray(x) - np.asarray(y)) / np.asarray(x).dtype.type(np_distance(x, y))


def np_tanh_layer(w: Any, x: Any) -> Any:
    return np.tanh(np.asarray(w) @ np.asarray(x))


def np_tanh_layer_vjp(ct: Any, w: Any, x: Any) -> Any:
    w, x = np.asarray(w), np.asarray(x)
    e = np.exp(-2.0 * np.abs(w @ x))
    da = np.asarray(ct) * 4.0 * e / (1.0 + e) ** 2
    return np.outer(da, x), w.T @ da


def np_tanh_layer_jvp(primals: Any, tangents: Any) -> Any:
    (w, x), (dw, dx) = ([np.asarray(v) for v in part] for part in (primals, tangents))
    e = np.exp(-2.0 * np.abs(w @ x))
    return 4.0 * e / (1.0 + e) ** 2 * (dw @ x + w @ dx)


def np_interpolate(values: Any, at: Any) -> Any:
    """Look the values up between the whole numbers 0, 1, ...; the gradient is by the values."""
    values = np.asarray(values)
    return np.interp(np.asarray(at), np.arange(values.shape[0]), values)


def np_interpolate_vjp(ct: Any, values: Any, at: Any) -> Any:
    """Return the cotangent of the values and that of the places."""
    values, at, ct = np.asarray(values), np.asarray(at), np.asarray(ct)
    i = np.clip(np.floor(at).astype(int), 0, values.shape[0] - 2)
    t = np.clip(at - i, 0.0, 1.0).astype(values.dtype)
    g = np.zeros_like(values)
    np.add.at(g, i, ct * (1.0 - t))
    np.add.at(g, i + 1, ct * t)
    inside = (at > 0) & (at < values.shape[0] - 1)
    return g, ct * np.where(inside, values[i + 1] - values[i], np.zeros_like(at))


def np_variance(x: Any) -> float:
    return float(np.var(np.asarray(x)))


def np_variance_grad(x: Any) -> Any:
    x = np.asarray(x)
    return 2.0 * (x - np.mean(x)) / x.size
