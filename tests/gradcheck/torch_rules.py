"""torch.autograd.Functions of the kinds that people report, each with a right backward and a wrong one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn import functional


class Rule(NamedTuple):
    """A forward and two backwards (saved, *cotangents) -> gradients. cause: what is said of the wrong one."""

    forward: Callable[..., Any]
    right: Callable[..., Any]
    wrong: Callable[..., Any]
    args: tuple[Any, ...]
    cause: str


def function(name: str, forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    """A Function that saves its arguments."""

    def kept(ctx: Any, *args: Any) -> Any:
        ctx.save_for_backward(*args)
        return forward(*args)

    def pulled(ctx: Any, *cotangents: Any) -> Any:
        return backward(ctx.saved_tensors, *cotangents)

    return type(name, (torch.autograd.Function,), {"forward": staticmethod(kept), "backward": staticmethod(pulled)})


def normal(seed: int, *shape: int, dtype: Any = torch.float32) -> Any:
    """The same numbers everywhere, and no random state touched."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _normed(x: Any) -> tuple[Any, Any]:
    centred = x - x.mean(-1, keepdim=True)
    return centred, 1 / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5)


def _layer_norm(x: Any, w: Any) -> Any:
    centred, scale = _normed(x)
    return centred * scale * w


def _layer_norm_back(saved: Any, g: Any, statistics: bool = True) -> Any:
    x, w = saved
    centred, scale = _normed(x)
    hat, pulled = centred * scale, g * w
    dx = pulled - statistics * (pulled.mean(-1, keepdim=True) + hat * (pulled * hat).mean(-1, keepdim=True))
    return scale * dx, (g * hat).sum(0)


def _gelu_erf_back(saved: Any, g: Any) -> Any:
    (x,) = saved
    return g * (0.5 * (1 + torch.erf(x / 2**0.5)) + x * torch.exp(-x * x / 2) / (2 * torch.pi) ** 0.5)


def _gelu_tanh_back(saved: Any, g: Any) -> Any:
    (x,) = saved
    c = (2 / torch.pi) ** 0.5
    t = torch.tanh(c * (x + 0.044715 * x**3))
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x))


def _softmax_back(saved: Any, g: Any, axis: int = -1) -> Any:
    p = torch.softmax(saved[0], -1)
    return p * (g - (p * g).sum(axis, keepdim=True))


def _linear_back(saved: Any, g: Any, bias: Callable[[Any], Any] = lambda g: g.sum(0)) -> Any:
    x, w, _ = saved
    return g @ w, g.T @ x, bias(g)


def _sparse(rows: Any, columns: Any, values: Any, dense: Any) -> Any:
    return torch.sparse_coo_tensor(torch.stack([rows, columns]), values, (3, 4)) @ dense


def _sparse_back(saved: Any, g: Any, turned: bool = False) -> Any:
    rows, columns, values, dense = saved
    into = torch.zeros_like(dense).index_add(0, columns, values[:, None] * g[rows])
    return None, None, (g[rows] * dense[columns]).sum(-1) / (2 if turned else 1), into


def _clamp_back(saved: Any, g: Any) -> Any:
    (x,) = saved
    return g * ((x > -1) & (x < 1))


def _where_back(saved: Any, g: Any) -> Any:
    condition, _, _ = saved
    return None, g * condition, g * ~condition


def _matmul_back(saved: Any, g: Any) -> Any:
    x, w = saved
    return g @ w, g.T @ x


def _conv_back(saved: Any, g: Any) -> Any:
    x, w = saved
    return functional.conv_transpose1d(g, w), functional.conv1d(x.transpose(0, 1), g.transpose(0, 1)).transpose(0, 1)


def _conv_unflipped(saved: Any, g: Any) -> Any:
    return functional.conv_transpose1d(g, saved[1].flip(-1)), _conv_back(saved, g)[1]


def _embedding_back(saved: Any, g: Any) -> Any:
    index, table = saved
    return None, torch.zeros_like(table).index_add(0, index, g)


def _embedding_overwritten(saved: Any, g: Any) -> Any:
    index, table = saved
    grad = torch.zeros_like(table)
    grad[index] = g
    return None, grad


def _mse_back(saved: Any, g: Any, factor: float = 2) -> Any:
    x, y = saved
    apart = factor * g * (x - y) / x.numel()
    return apart, -apart


def _detached(saved: Any, g: Any) -> Any:
    return g * saved[1], None


RULES: dict[str, Rule] = {
    "layer norm": Rule(
        _layer_norm, _layer_norm_back, lambda s, g: _layer_norm_back(s, g, statistics=False),
        (normal(0, 3, 5), normal(1, 5)), "",
    ),
    "gelu": Rule(lambda x: functional.gelu(x), _gelu_erf_back, _gelu_tanh_back, (normal(2, 7),), ""),
    "softmax": Rule(
        lambda x: torch.softmax(x, -1), _softmax_back, lambda s, g: _softmax_back(s, g, 0), (normal(3, 3, 4),), "",
    ),
    "linear with bias": Rule(
        lambda x, w, b: x @ w.T + b, _linear_back, lambda s, g: _linear_back(s, g, lambda g: g[0]),
        (normal(4, 3, 4), normal(5, 2, 4), normal(6, 2)), "",
    ),
    "sparse": Rule(
        _sparse, _sparse_back, lambda s, g: _sparse_back(s, g, turned=True),
        (torch.tensor([0, 1, 2]), torch.tensor([3, 0, 1]), normal(7, 3), normal(8, 4, 2)), "factor",
    ),
    "clamp": Rule(lambda x: x.clamp(-1, 1), _clamp_back, lambda s, g: g, (normal(9, 8),), ""),
    "where": Rule(
        torch.where, _where_back, lambda s, g: (None, g * ~s[0], g * s[0]),
        (torch.tensor([True, False, True]), normal(10, 3), normal(11, 3)), "",
    ),
    "matmul transposed": Rule(
        lambda x, w: x @ w.T, _matmul_back, lambda s, g: (g @ s[1].T, g.T @ s[0]),
        (normal(12, 3, 4), normal(13, 4, 4)), "untransposed",
    ),
    "conv1d": Rule(functional.conv1d, _conv_back, _conv_unflipped, (normal(14, 2, 2, 6), normal(15, 3, 2, 3)), ""),
    "embedding": Rule(
        lambda index, table: table[index], _embedding_back, _embedding_overwritten,
        (torch.tensor([2, 0, 2, 2]), normal(16, 4, 3)), "",
    ),
    "mean of squares": Rule(
        lambda x, y: ((x - y) ** 2).mean(), _mse_back, lambda s, g: _mse_back(s, g, 1.0),
        (normal(17, 5), normal(18, 5)), "factor",
    ),
    "detached": Rule(
        torch.mul, lambda s, g: (g * s[1], g * s[0]), _detached, (normal(19, 4), normal(20, 4)), "detached",
    ),
}  # fmt: skip
