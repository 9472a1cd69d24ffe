"""Where a derivative is wrong: at the same elements, on one side of a threshold, or by one factor an input."""

from collections.abc import Iterator, Sequence

import numpy as np

from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis, number, ratio
from manual_vs_auto.gradcheck.explain.observation import Observation

# Times what is still the same, and of what is furthest apart: what is no further beside a threshold fades out there.
_FADES, _SHARE = 1e3, 1e-6


def of_places(observations: Sequence[Observation], leaf: int) -> Iterator[Hypothesis]:
    """The same elements are wrong every time."""
    wrong = np.any([_apart(e, leaf) for e in observations], axis=0)
    count = int(np.sum(wrong))
    if not 0 < count < wrong.size:
        return
    c = ratio(
        *(np.concatenate([getattr(e, side)[leaf][wrong] for e in observations]) for side in ("manual", "reference"))
    )
    where = ", ".join(str(tuple(int(i) for i in place)) for place in np.argwhere(wrong)[:3]) + (
        ", ..." if count > 3 else ""
    )
    which = f"element {where} is" if count == 1 else f"{count} of {wrong.size} elements ({where}) are"
    what = "zero" if c == 0 else f"{number(c)} times the right one"
    kind = "entry" if count == 1 else "mask"
    yield Hypothesis(kind, f"{which} {what}", lambda e, at: np.where(wrong, c * e.reference[at], e.reference[at]))


def of_regions(
    observations: Sequence[Observation], leaf: int, place: int, name: str, other: tuple[int, str] | None = None
) -> Iterator[Hypothesis]:
    """It is wrong on one side of a threshold of its own argument, or of its difference from another.

    place: of the argument among the arrays. other: the place and name of the one that is taken from it.
    """
    if observations[0].arrays[place].shape != observations[0].reference[leaf].shape:
        return
    x = np.concatenate([e.arrays[place].ravel() for e in observations])
    if other is not None:
        if observations[0].arrays[other[0]].shape != observations[0].arrays[place].shape:
            return
        x, name = x - np.concatenate([e.arrays[other[0]].ravel() for e in observations]), f"{name} - {other[1]}"
    measures = [(x, name), (np.abs(x), f"|{name}|")]
    if np.iscomplexobj(x):
        measures[:1] = [(x.real, f"{name}.real"), (x.imag, f"{name}.imag")]
    manual = np.concatenate([e.manual[leaf].ravel() for e in observations])
    right = np.concatenate([e.reference[leaf].ravel() for e in observations])
    beyond = np.concatenate([_beyond(e, leaf).ravel() for e in observations])
    x, manual, right, beyond = (a[np.isfinite(x)] for a in (x, manual, right, beyond))
    wrong = ~(beyond <= 1)
    if min(np.sum(wrong), np.sum(~wrong)) < 8:
        return
    for measure, said in measures:
        for below in (True, False):
            inner, outer = (measure[wrong], measure[~wrong]) if below else (measure[~wrong], measure[wrong])
            if inner.max() > outer.min() or inner.max() == outer.min():
                continue
            edge = 0.0 if inner.max() <= 0 <= outer.min() else float((inner.max() + outer.min()) / 2)
            if edge and np.min(beyond[wrong]) <= max(_FADES, _SHARE * np.max(beyond[wrong])):
                continue  # it is wrong everywhere, and less than rounding where it is least
            sign = "<" if below else ">"
            c = ratio(manual[wrong], right[wrong])
            even = bool(np.all(np.abs(manual[wrong] - c * right[wrong]) <= 1e-8 * (np.abs(manual[wrong]) + 1e-300)))
            what = "" if not even else ": zero there" if c == 0 else f": {number(c)} times the right one there"
            kind = "mask" if even and c == 0 else "one_side"
            where = f"{said} {sign} {number(edge, 3)}"
            if below and said.startswith("|") and inner.max() == 0:
                kind, where = "value", f"{name} is 0"
            yield Hypothesis(kind, f"it is wrong where {where}{what}, and right elsewhere",
                       lambda e, at: np.where(_apart(e, at), e.manual[at], e.reference[at]))  # fmt: skip


def of_sizes(observations: Sequence[Observation], leaves: Sequence[int]) -> Iterator[Hypothesis]:
    """It is right but for one factor an input, or one for each index of an axis, which is another every time."""
    if any(np.iscomplexobj(observations[0].reference[leaf]) for leaf in leaves):
        return
    axes = [None, *range(max(observations[0].reference[leaf].ndim for leaf in leaves))]
    for axis in axes:
        if any(_free(observations[0].reference[leaf], axis) for leaf in leaves):
            continue
        found = [[_factors(e.manual[leaf], e.reference[leaf], axis).ravel() for leaf in leaves] for e in observations]
        # What differs between arguments is no one factor.
        if any(c.shape != first.shape or not np.allclose(c, first, 1e-6) for first, *others in found for c in others):
            continue
        every = np.concatenate([c for parts in found for c in parts])
        each, low, high = "input" if axis is None else f"index of axis {axis}", every.min(), every.max()
        text = f"it is right but for one factor an {each}, {number(low, 3)} to {number(high, 3)}"
        kind, text = "scale", f"{text}: what it is divided or multiplied by (a count, a sum, a norm) is another"
        if high - low <= 1e-2 * abs(high):
            # Of what iterates, which is only so exact.
            kind, text = "factor", f"it is about {number((low + high) / 2, 2)} times the right one"
        elif axis is not None and all(_is_outer(e.reference[leaf], axis) for e in observations for leaf in leaves):
            # Whatever stands along that axis is a factor times what belongs there.
            kind, text = "outer", f"it is an outer product with the wrong factor along axis {axis}; the rest is right"
        yield Hypothesis(kind, text,
                   lambda e, at, axis=axis: _factors(e.manual[at], e.reference[at], axis) * e.reference[at])  # type: ignore[misc]  # fmt: skip


def _free(a: np.ndarray, axis: int | None) -> bool:
    """Whether a factor an index says nothing, since it is of one number."""
    if axis is None:
        return bool(np.count_nonzero(a) < 2)
    return axis >= a.ndim or bool(np.all(np.count_nonzero(np.moveaxis(a, axis, 0).reshape(a.shape[axis], -1), 1) < 2))


def _is_outer(a: np.ndarray, axis: int) -> bool:
    """Whether all rows along an axis are one row times a number each."""
    rows = np.moveaxis(a, axis, 0).reshape(a.shape[axis], -1)
    return bool(np.linalg.matrix_rank(rows, rtol=1e-9) <= 1)


def _factors(manual: np.ndarray, right: np.ndarray, axis: int | None) -> np.ndarray:
    """By least squares."""
    others = tuple(i for i in range(right.ndim) if i != axis)
    total = np.sum(right**2, others, keepdims=True)
    return np.asarray(np.sum(manual * right, others, keepdims=True) / np.where(total == 0, 1, total))


def _apart(observation: Observation, leaf: int) -> np.ndarray:
    return np.asarray(~(_beyond(observation, leaf) <= 1))


def _beyond(observation: Observation, leaf: int) -> np.ndarray:
    """How far apart the two are, of what is still the same."""
    manual, right = observation.manual[leaf], observation.reference[leaf]
    typical = float(np.sqrt(np.mean(np.abs(right) ** 2))) if right.size else 0.0
    same = 1e-9 * np.maximum(np.abs(right), 1e-3 * typical)
    return np.asarray(np.abs(manual - right) / np.where(same > 0, same, 2.0**-1000))
