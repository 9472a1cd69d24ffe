"""The ten exercises of the notes: a function each, whose derivative the reader writes.

Every answer is a pullback without residuals: NAME_vjp(ct, *arguments) -> one cotangent an argument, J^T ct.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manual_vs_auto.notes.functions import (
    affine,
    attention,
    bilinear,
    cross_entropy,
    distance,
    layer_norm,
    matvec,
    relu,
    sigmoid,
    softmax,
)


@dataclass(frozen=True)
class Exercise:
    """One function to take the derivative of.

    f:     the function. equation: what of the notes it practises. said: what f is.
    given: its arguments by name, with their shapes; out: the output's, and so the cotangent's.
    asked: the arguments whose cotangents the answer returns, if not all.
    hint:  what to think of when the answer is wrong; hints: what else, by the checker's cause.
    """

    name: str
    f: Callable[..., Any]
    equation: str
    given: Mapping[str, tuple[int, ...]]
    out: str
    said: str
    hint: str
    hints: Mapping[str, str] = field(default_factory=dict)
    asked: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """The name of the function that the reader writes."""
        return f"{self.name}_vjp"

    @property
    def returned(self) -> tuple[str, ...]:
        """The arguments whose cotangents the answer returns."""
        return self.asked or tuple(self.given)

    @property
    def stub(self) -> str:
        """The function to fill in, as Python code."""
        arguments = ", ".join(self.given)
        shapes = ", ".join(f"{name}: {_shape(shape)}" for name, shape in self.given.items())
        cotangents = ", ".join(f"ct_{name}" for name in self.returned)
        comma = "," if len(self.returned) == 1 else ""
        return (
            f'import numpy as np\n\n\ndef {self.answer}(ct, {arguments}):\n    """{self.said}\n\n'
            f"    {shapes}; ct: {self.out}.\n    Return the cotangent of {' and of '.join(self.returned)}: "
            f'({cotangents}{comma}).\n    """\n    raise NotImplementedError\n'
        )

    def sample(self) -> tuple[np.ndarray, ...]:
        """Arguments to judge an answer at."""
        generator = np.random.default_rng(0)
        return tuple(generator.normal(size=shape).astype(np.float32) for shape in self.given.values())


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


EXERCISES = (
    Exercise(
        "sigmoid",
        sigmoid,
        equation="one variable",
        given={"x": (5,)},
        out="[5]",
        said="f(x) = 1 / (1 + exp(-x)), each number by itself.",
        hint=(
            "Each output depends on one input alone, so the Jacobian is diagonal: what is on it? Write s for the "
            "output; the slope can be said with s alone."
        ),
        hints={"cotangent": "What arrives from behind multiplies the slope."},
    ),
    Exercise(
        "relu",
        relu,
        equation="one variable",
        given={"x": (6,)},
        out="[6]",
        said="f(x) = max(x, 0), each number by itself.",
        hint=(
            "The slope is one number to the left of 0 and another to the right. At 0 itself anything between will do."
        ),
    ),
    Exercise(
        "distance",
        distance,
        equation="notes (7)",
        given={"p": (3, 4), "y": (3, 4)},
        out="[3]",
        said="f(p, y) = ||p - y||^2 of each row.",
        hint=(
            "Both arguments move, and they pull in opposite directions. The loss of a row has one cotangent: it reaches"
            " every number of that row."
        ),
        hints={"sign": "Which of the two is subtracted?", "factor": "The power rule has an exponent."},
    ),
    Exercise(
        "bilinear",
        bilinear,
        equation="notes (4)",
        given={"A": (3, 4), "B": (3, 4), "x": (4,)},
        out="one number",
        asked=("x",),
        said="f(A, B, x) = (A x) . (B x), one number.",
        hint=(
            "The product rule has two terms, and each is a transposed Jacobian times the other factor. The Jacobian of "
            "A x is A."
        ),
        hints={"term": "How many factors does x stand in?"},
    ),
    Exercise(
        "matvec",
        matvec,
        equation="notes (3), (10)",
        given={"W": (3, 4), "x": (4,)},
        out="[3]",
        said="f(W, x) = W x.",
        hint=("W[i, j] reaches output i alone, and multiplies x[j] there. x[j] reaches every output: sum over them."),
        hints={"untransposed": "The sum runs over the outputs, which are the rows of W."},
    ),
    Exercise(
        "softmax",
        softmax,
        equation="notes (8)",
        given={"z": (3, 4)},
        out="[3, 4]",
        said="f(z) = softmax of each row.",
        hint=(
            "Write s for the output. Its Jacobian is diag(s) - s s^T; times a vector that is s times something minus s "
            "times a number, and the number needs no matrix."
        ),
        hints={"diagonal": "A logit moves every probability, not its own alone."},
    ),
    Exercise(
        "cross_entropy",
        cross_entropy,
        equation="notes (6)",
        given={"z": (3, 4), "y": (3, 4)},
        out="[3]",
        said="f(z, y) = -sum_k y_k log softmax(z)_k of each row.",
        hint=(
            "Take the logarithm before the derivative: log softmax(z)_k = z_k - log sum_i exp(z_i). y need not sum to 1"
            " here: how much of the second term is there? And log p must not be the logarithm of a p that has become 0."
        ),
        hints={"overflow": "log p is z less something: it is never the logarithm of a rounded p."},
    ),
    Exercise(
        "affine",
        affine,
        equation="notes (10)",
        given={"W": (3, 4), "b": (3,), "X": (5, 4)},
        out="[5, 3]",
        said="f(W, b, X) = X W^T + b for a batch X of rows.",
        hint=(
            "One row of X gives an outer product; a batch of them gives the sum of those, and a sum of outer products "
            "is a matrix product. b reaches every row."
        ),
        hints={"transpose": "W is [3, 4]: so is its cotangent."},
    ),
    Exercise(
        "layer_norm",
        layer_norm,
        equation="notes (3), twice",
        given={"x": (3, 5), "scale": (5,), "shift": (5,)},
        out="[3, 5]",
        said=("f(x, scale, shift): each row less its mean, by sqrt(its variance + 1e-5), times scale, plus shift."),
        hint=(
            "Name the normalised row n and the root r, and go backwards: to n first, then to x. x reaches n in three "
            "ways: itself, through the mean, through r. Both of the last are means over the row."
        ),
        hints={"term": "Three ways from x to n: is each there?"},
    ),
    Exercise(
        "attention",
        attention,
        equation="notes (3), (8), (10)",
        given={"Q": (3, 4), "K": (5, 4), "V": (5, 2)},
        out="[3, 2]",
        said="f(Q, K, V) = softmax(Q K^T / sqrt(4)) V, softmax along each row.",
        hint=(
            "Name the scores and the weights: it is exercise 8 twice, with exercise 6 between them. Go backwards, with "
            "a shape beside every line."
        ),
        hints={"factor": "The scores are divided by something: so is what goes back through them."},
    ),
)
"""In their order, from 1."""

HINTS = {
    "overflow": "Try it by hand at a large number: does an exp, or a division, leave what the computer can hold?",
    "sign": "Follow one minus at a time, from the loss back.",
    "factor": "The formula is right but for a number: look for a power, a mean and a sum.",
    "reduction": "A sum stands where a mean belongs, or a mean where a sum does.",
    "term": "There are as many terms as there are ways from the argument to the output.",
    "untransposed": "Which way does the sum run: over outputs or over inputs? Notes (3).",
    "transpose": "Write the shapes beside every factor.",
    "cotangent": "ct says how much each output matters: nothing goes back without it.",
    "diagonal": "An input that reaches several outputs has several slopes.",
    "axis": "Over which axis was it summed going forward?",
    "cast": "What you return should be as precise as what you were given.",
}
"""By the checker's cause, where an exercise has no hint of its own."""
