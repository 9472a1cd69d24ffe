"""Mistakes that people make when they derive these gradients: each is one wrong line in code that is right.

The right code stands below, each with the function that it is the derivative of. A mistake is one of its lines and what
somebody wrote there. Why one believes it stands in the notes' gallery.
"""

import inspect
import linecache
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from manual_vs_auto.gradcheck import Report, check_gradient, check_vjp


def loss(weight: Any, images: Any, labels: Any) -> Any:
    """The mean squared distance of softmax(x W^T) to one-hot labels. Source: notes (5) to (7)."""
    return jnp.mean(losses(weight, images, labels))


def losses(weight: Any, images: Any, labels: Any) -> Any:
    """The same of each image, [B]."""
    p = jax.nn.softmax(images @ weight.T)
    return jnp.sum((p - jax.nn.one_hot(labels, len(weight), dtype=p.dtype)) ** 2, axis=1)


def surprise(weight: Any, images: Any, labels: Any) -> Any:
    """The mean cross-entropy."""
    log_p = jax.nn.log_softmax(images @ weight.T)
    return -jnp.mean(jnp.sum(jax.nn.one_hot(labels, len(weight), dtype=log_p.dtype) * log_p, axis=1))


def softmax(z: Any) -> Any:
    """Source: notes (6). [B, K]."""
    return jax.nn.softmax(z)


# fmt: off
def softmax_pullback(ct: Any, z: Any) -> Any:
    """The cotangent of the logits, [B, K], for cotangents [B, K] of `softmax`. Source: notes (8)."""
    terms = jnp.exp(z - jnp.max(z, axis=1, keepdims=True))
    p = terms / jnp.sum(terms, axis=1, keepdims=True)
    return p * (ct - jnp.sum(p * ct, axis=1, keepdims=True))


def gradient(weight: Any, images: Any, labels: Any) -> Any:
    """The gradient of `loss` by the weight, [K, D]. Source: notes (5) to (10)."""
    z = images @ weight.T
    terms = jnp.exp(z - jnp.max(z, axis=1, keepdims=True))
    p = terms / jnp.sum(terms, axis=1, keepdims=True)
    y = jax.nn.one_hot(labels, len(weight), dtype=z.dtype)
    d = p - y
    by_p = 2 * d
    by_z = p * (by_p - jnp.sum(p * by_p, axis=1, keepdims=True))
    by_weight = by_z.T @ images
    return by_weight / len(images)


def pullback(ct: Any, weight: Any, images: Any, labels: Any) -> Any:
    """The cotangent of the weight, [K, D], for cotangents [B] of `losses`."""
    p = jax.nn.softmax(images @ weight.T)
    d = p - jax.nn.one_hot(labels, len(weight), dtype=p.dtype)
    by_z = 2 * p * (d - jnp.sum(p * d, axis=1, keepdims=True))
    return ((ct[:, None] * by_z).T @ images,)


def surprise_gradient(weight: Any, images: Any, labels: Any) -> Any:
    """The gradient of `surprise` by the weight, [K, D]."""
    z = images @ weight.T
    terms = jnp.exp(z - jnp.max(z, axis=1, keepdims=True))
    p = terms / jnp.sum(terms, axis=1, keepdims=True)
    y = jax.nn.one_hot(labels, len(weight), dtype=z.dtype)
    by_z = p - y
    return by_z.T @ images / len(images)
# fmt: on


@dataclass(frozen=True)
class Mistake:
    """One wrong line, or a few in one's place.

    name:  of its picture. of: the right code. right, wrong: the line and what stands in its place.
    white: what the brightest pixel is in training: 1, or 255 where it takes large logits to show it.
    chaotic: whether training jumps about, so that another processor's rounding makes another course.
    """

    name: str
    of: Callable[..., Any]
    right: str
    wrong: str
    white: float = 1.0
    chaotic: bool = False

    @cached_property
    def code(self) -> Callable[..., Any]:
        """The right code with the wrong line in it."""
        source, indent = inspect.getsource(self.of), " " * 4
        assert source.count(f"{indent}{self.right}\n") == 1, self.name
        wrong = "\n".join(indent + line for line in self.wrong.splitlines())
        source = source.replace(indent + self.right, wrong)
        file = f"<{self.name}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        space = dict(globals())
        exec(compile(source, file, "exec"), space)  # the text of this file and of MISTAKES, nothing from outside
        made: Callable[..., Any] = space[self.of.__name__]
        return made

    def report(self) -> Report:
        """What the checker says of it, at 5 rows of 4 features and 3 classes."""
        generator = np.random.default_rng(0)
        weight, images = (generator.normal(size=size).astype(np.float32) for size in ((3, 4), (5, 4)))
        if self.of is softmax_pullback:
            return check_vjp(softmax, self.code, images @ weight.T)
        sample = weight, images, generator.integers(0, 3, 5)
        if self.of is pullback:
            return check_vjp(losses, self.code, *sample, argnums=0)
        return check_gradient(surprise if self.of is surprise_gradient else loss, self.code, *sample)

    def by_weight(self, weight: Any, images: Any, labels: Any) -> Any:
        """What training would take for the gradient of the mean loss, [K, D]."""
        return _by_weight(self.of, self.code, weight, images, labels)

    def right_by_weight(self, weight: Any, images: Any, labels: Any) -> Any:
        """The same by the right code."""
        return _by_weight(self.of, self.of, weight, images, labels)


def _by_weight(of: Callable[..., Any], code: Callable[..., Any], weight: Any, images: Any, labels: Any) -> Any:
    if of is pullback:
        return code(jnp.full(len(images), 1 / len(images), weight.dtype), weight, images, labels)[0]
    if of is softmax_pullback:
        z = images @ weight.T
        d = jax.nn.softmax(z) - jax.nn.one_hot(labels, len(weight), dtype=z.dtype)
        return code(2 * d, z).T @ images / len(images)
    return code(weight, images, labels)


_LOGITS = "return p * (ct - jnp.sum(p * ct, axis=1, keepdims=True))"
_TARGETS = "y = jax.nn.one_hot(labels, len(weight), dtype=z.dtype)"

MISTAKES = (
    Mistake("diagonal", softmax_pullback, _LOGITS, "return p * (1 - p) * ct"),
    Mistake("numerator", softmax_pullback, _LOGITS, "return p * ct"),
    Mistake("off-diagonal-sign", softmax_pullback, _LOGITS, "return p * (ct + jnp.sum(p * ct, axis=1, keepdims=True))"),
    Mistake("no-jacobian", softmax_pullback, _LOGITS, "return ct"),
    Mistake("batch-axis", softmax_pullback, _LOGITS, "return p * (ct - jnp.sum(p * ct))"),
    Mistake(
        "softmax-over-batch", softmax_pullback,
        "p = terms / jnp.sum(terms, axis=1, keepdims=True)", "p = terms / jnp.sum(terms, axis=0, keepdims=True)",
    ),
    Mistake(
        "entropy-shortcut", gradient, "by_z = p * (by_p - jnp.sum(p * by_p, axis=1, keepdims=True))", "by_z = p - y"
    ),
    Mistake("missing-two", gradient, "by_p = 2 * d", "by_p = d"),
    Mistake("half-a-product-rule", gradient, "by_p = 2 * d", "by_p = p - 2 * y"),
    Mistake("turned-difference", gradient, "d = p - y", "d = y - p"),
    Mistake("labels-from-one", gradient, _TARGETS, "y = jax.nn.one_hot(labels - 1, len(weight), dtype=z.dtype)"),
    Mistake(
        "hard-decision", gradient, "d = p - y",
        "p = jax.nn.one_hot(jnp.argmax(p, axis=1), len(weight), dtype=z.dtype)\nd = p - y",
    ),
    Mistake(
        "turned-product", gradient, "by_weight = by_z.T @ images",
        "by_weight = (images.T @ by_z).reshape(weight.shape)",
    ),
    Mistake("sum-for-mean", gradient, "return by_weight / len(images)", "return by_weight", chaotic=True),
    Mistake("mean-over-classes", gradient, "return by_weight / len(images)", "return by_weight / z.size"),
    Mistake(
        "half-precision", gradient, "by_weight = by_z.T @ images",
        "by_weight = by_z.T.astype(jnp.bfloat16) @ images.astype(jnp.bfloat16)",
    ),
    Mistake(
        "ignored-cotangent", pullback,
        "return ((ct[:, None] * by_z).T @ images,)", "return (by_z.T @ images,)", chaotic=True,
    ),
    Mistake(
        "no-maximum", surprise_gradient,
        "terms = jnp.exp(z - jnp.max(z, axis=1, keepdims=True))", "terms = jnp.exp(z)", 255.0,
    ),
    Mistake(
        "one-over-p", surprise_gradient, "by_z = p - y",
        "by_p = -y / p\nby_z = p * (by_p - jnp.sum(p * by_p, axis=1, keepdims=True))", 255.0,
    ),
)  # fmt: skip
"""In the order of the notes' gallery."""
