"""The ways in which a gradient is commonly wrong, each as an hypothesis of the right one.

An hypothesis is a guess made from one observation; whether it is the cause is decided on all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.explain.observation import Observation


class Hypothesis(NamedTuple):
    """kind: one word. text: the cause in a sentence. predict(observation, leaf): what the rule would say then."""

    kind: str
    text: str
    predict: Callable[[Observation, int], np.ndarray]


def of_result(
    observations: Sequence[Observation], leaf: int, names: Sequence[str], same: Callable[[np.ndarray, np.ndarray], bool]
) -> Iterator[Hypothesis]:
    """Edits of the derivative itself, the simplest first. same: whether two arrays are, up to rounding."""
    manual = np.concatenate([e.manual[leaf].ravel() for e in observations])
    right = np.concatenate([e.reference[leaf].ravel() for e in observations])
    yield Hypothesis("sign", "the sign is turned round", lambda e, at: -e.reference[at])
    yield Hypothesis("detached", "it is zero: the argument is treated as a constant", lambda e, at: 0 * e.reference[at])
    c = ratio(manual, right)
    # Two digits will do where f itself has no more.
    for factor in dict.fromkeys((c, c if np.iscomplexobj(c) else float(f"{c:.2g}"))):
        yield Hypothesis("factor", f"it is {number(factor)} times the right one",
            lambda e, at, factor=factor: factor * e.reference[at])  # type: ignore[misc]  # fmt: skip
    axes = observations[0].reference[leaf].ndim
    if axes >= 2:
        yield Hypothesis(
            "transpose", "it is the transpose of the right one", lambda e, at: _transposed(e.reference[at])
        )
        yield Hypothesis("transpose", "it is the negated transpose", lambda e, at: -_transposed(e.reference[at]))
    for axis in range(axes):
        for by in (1, -1) if observations[0].reference[leaf].shape[axis] > 2 else ():
            yield Hypothesis("roll", f"it is shifted by {by} along axis {axis}",
                       lambda e, at, by=by, axis=axis: np.roll(e.reference[at], by, axis))  # type: ignore[misc]  # fmt: skip
        yield Hypothesis("roll", f"it runs backwards along axis {axis}",
                   lambda e, at, axis=axis: np.flip(e.reference[at], axis))  # type: ignore[misc]  # fmt: skip
        for reduce, word in ((np.sum, "summed"), (np.mean, "averaged")):
            yield Hypothesis("axis", f"it is {word} over axis {axis}, which it should not be",
                       lambda e, at, r=reduce, axis=axis: np.broadcast_to(r(e.reference[at], axis=axis, keepdims=True), e.reference[at].shape))  # type: ignore[misc]  # noqa: E501  # fmt: skip
    limit = float(np.max(np.abs(manual), initial=0.0))
    if not np.iscomplexobj(right):
        yield Hypothesis(
            "clip", f"it is clipped to +-{number(limit)}", lambda e, at: np.clip(e.reference[at], -limit, limit)
        )
        yield Hypothesis("clip", "it is clipped to what is positive", lambda e, at: np.maximum(e.reference[at], 0))
    yield Hypothesis("sign", "its sign is lost: it is the absolute value", lambda e, at: np.abs(e.reference[at]))
    apart = observations[0].manual[leaf] - observations[0].reference[leaf]
    even = np.mean(apart)[()] if apart.size else 0.0
    yield Hypothesis("offset", f"a constant is added: {number(even)}", lambda e, at: e.reference[at] + even)
    norm = max(_norm(e.manual[leaf]) for e in observations)
    yield Hypothesis("clip", f"its norm is clipped to {number(norm)}",
               lambda e, at: e.reference[at] * min(1.0, norm / (_norm(e.reference[at]) or 1.0)))  # fmt: skip
    for other, name in enumerate(names):
        if other != leaf and observations[0].reference[other].shape == observations[0].reference[leaf].shape:
            turn = {leaf: other, other: leaf}
            alone = all(same(e.manual[other], e.reference[other]) for e in observations)
            said = f"it is the one of {name}" if alone else f"the ones of {names[leaf]} and {name} are exchanged"
            yield Hypothesis("swapped", said,
                       lambda e, at, turn=turn: e.reference[turn.get(at, at)])  # type: ignore[misc]  # fmt: skip


def of_cotangent(cotangents: Found, word: str, limit: float) -> Iterator[tuple[str, str, Found]]:
    """Edits of the cotangent (or tangent) before it is pulled back: kind, text, the edited cotangents."""

    def each(change: Callable[[np.ndarray], np.ndarray]) -> Found:
        return [change(s) for s in cotangents]

    yield "cotangent", f"the {word} is ignored: ones stand in its place", each(np.ones_like)
    yield "cotangent", f"only the sign of the {word} is used", each(np.sign)
    yield "cotangent", f"the absolute value of the {word} is used", each(lambda s: np.abs(s).astype(s.dtype))
    if not any(map(np.iscomplexobj, cotangents)):
        yield "cotangent", f"the {word} is clipped to +-{number(limit)}", each(lambda s: np.clip(s, -limit, limit))
        yield "cotangent", f"only what is positive of the {word} is used", each(lambda s: np.maximum(s, 0))
    yield "cotangent", f"the {word} is squared", each(np.square)
    yield "cotangent", f"the mean of the {word} is used", each(lambda s: np.full(s.shape, np.mean(s)))
    yield "cotangent", f"the sum of the {word} is used", each(lambda s: np.full(s.shape, np.sum(s)))
    for axis in range(max((s.ndim for s in cotangents), default=0)):
        if any(axis >= s.ndim for s in cotangents):
            break
        for at, end in ((0, "first"), (-1, "last")):
            yield "axis", f"only the {end} entry of the {word} along axis {axis} counts", each(
                lambda s, axis=axis, at=at: _only(s, axis, at))  # type: ignore[misc]  # fmt: skip
        yield "first", f"the first entry of the {word} along axis {axis} stands for all", each(
            lambda s, axis=axis: np.broadcast_to(np.take(s, [0], axis), s.shape).copy())  # type: ignore[misc]  # fmt: skip
        for reduce, done in ((np.sum, "summed"), (np.mean, "averaged")):
            yield "axis", f"the {word} is {done} over axis {axis} first", each(
                lambda s, r=reduce, axis=axis: np.broadcast_to(r(s, axis=axis, keepdims=True), s.shape).copy())  # type: ignore[misc]  # fmt: skip
        yield "roll", f"the {word} runs backwards along axis {axis}", each(lambda s, axis=axis: np.flip(s, axis).copy())  # type: ignore[misc]
        for by in (1, -1) if all(s.shape[axis] > 2 for s in cotangents) else ():
            yield "roll", f"the {word} is shifted by {by} along axis {axis}", each(
                lambda s, by=by, axis=axis: np.roll(s, by, axis))  # type: ignore[misc]  # fmt: skip
    for at, s in enumerate(cotangents if len(cotangents) > 1 else []):
        which = f"{'argument' if word == 'tangent' else 'output'} {at}"
        yield (
            "detached" if word == "tangent" else "cotangent",
            f"the {word} of {which} is ignored",
            [0 * t if t is s else t for t in cotangents],
        )
        yield "sign", f"the {word} of {which} has the wrong sign", [-t if t is s else t for t in cotangents]
        for other in range(at):
            if cotangents[other].shape == s.shape:
                turned = {at: other, other: at}
                yield (
                    "swapped",
                    f"the {word}s of outputs {other} and {at} are exchanged",
                    [cotangents[turned.get(i, i)] for i in range(len(cotangents))],
                )
    if all(s.ndim >= 2 and s.shape[-1] == s.shape[-2] for s in cotangents):
        yield "transpose", f"the {word} is transposed", each(lambda s: _transposed(s).copy())


def of_jacobian(jacobian: np.ndarray, cotangent: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """Edits of a square Jacobian [N, N], one row an output, in J^T ct: kind, text, the result [N]."""
    yield "untransposed", "it is J ct where J^T ct belongs: the Jacobian is not transposed", jacobian @ cotangent
    if np.iscomplexobj(jacobian):
        yield (
            "untransposed", "it is conj(J) ct: the Jacobian is not transposed, and conjugated",
            jacobian.conj() @ cotangent,
        )  # fmt: skip
    yield "diagonal", "only the diagonal of the Jacobian is used", np.diag(jacobian) * cotangent
    off = jacobian - np.diag(np.diag(jacobian))
    yield "diagonal", "the diagonal of the Jacobian is missing", off.T @ cotangent
    yield "jacobian", "only the Jacobian's lower triangle is used", np.tril(jacobian).T @ cotangent
    yield "jacobian", "only the Jacobian's upper triangle is used", np.triu(jacobian).T @ cotangent
    yield (
        "sign",
        "outside its diagonal the Jacobian has the wrong sign",
        (np.diag(np.diag(jacobian)) - off).T @ cotangent,
    )


def factor_elsewhere(text: str, first: Observation, other: Observation, leaf: int) -> tuple[str, str] | None:
    """Kind and text where the factor is another one at another size; None where it stays."""
    c, d = (ratio(e.manual[leaf].ravel(), e.reference[leaf].ravel()) for e in (first, other))
    if abs(c - d) <= 1e-6 * abs(c):
        return None

    def fits(e: Observation, value: float) -> bool:
        return any(abs(value - n) < 1e-6 * n for a in (*e.arrays, *e.cotangents) for n in a.shape)

    also = f"{text}, and {number(d)} times at another size"
    if c and d and fits(first, 1 / c) and fits(other, 1 / d):
        return "reduction", f"a mean stands where a sum belongs: {also}"
    if fits(first, c) and fits(other, d):
        return "reduction", f"a sum stands where a mean belongs: {also}"
    for power, words in ((2, ""), (-2, "one over ")):
        if c > 0 and d > 0 and fits(first, c**power) and fits(other, d**power):
            return "factor", f"{also}: {words}the square root of an axis' length, a scale that is not taken over"
    return "factor", also


def ratio(manual: np.ndarray, right: np.ndarray) -> Any:
    """The factor between them by least squares, rounded as below."""
    inside = np.isfinite(manual) & np.isfinite(right)
    total = float(np.sum(np.abs(right[inside]) ** 2))
    c = np.sum(manual[inside] * np.conj(right[inside])).item() / total if total > 0 else 0.0
    if isinstance(c, complex):
        parts = [0.0 if abs(part) < 1e-9 * abs(c) else rounded(part) for part in (c.real, c.imag)]
        return complex(*parts) if parts[1] else parts[0]
    return rounded(c)


def rounded(c: float) -> float:
    """A round number where it is one to nine digits."""
    short = float(f"{c:.6g}")
    return short if abs(short - c) <= 1e-9 * abs(c) else 0.0 if abs(c) < 1e-12 else c


def number(value: Any, digits: int = 6) -> str:
    """As people write it."""
    if np.iscomplexobj(value):
        imaginary = f"{value.imag:.{digits}g}i"
        imaginary = imaginary.replace("1i", "i") if abs(value.imag) == 1 else imaginary
        return f"{value.real:.{digits}g}{'' if value.imag < 0 else '+'}{imaginary}" if value.real else imaginary
    return f"{value:.{digits}g}"


def digits(text: str) -> int:
    """How many the numbers in a text have that are not zero."""
    return sum(char in "123456789" for char in text)


def _norm(a: np.ndarray) -> float:
    return float(np.sqrt(np.sum(np.abs(a) ** 2)))


def _transposed(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2)


def _only(cotangent: np.ndarray, axis: int, at: int) -> np.ndarray:
    kept = np.zeros_like(cotangent)
    place: list[Any] = [slice(None)] * cotangent.ndim
    place[axis] = at
    kept[tuple(place)] = cotangent[tuple(place)]
    return kept
