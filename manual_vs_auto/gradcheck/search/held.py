"""What is not differentiated (labels, indices, masks, weights), rearranged, and at values that only some have."""

from collections.abc import Iterator

import numpy as np

from manual_vs_auto.gradcheck.claims.arguments import Leaf
from manual_vs_auto.gradcheck.claims.domain import Domain
from manual_vs_auto.gradcheck.claims.errors import Refused
from manual_vs_auto.gradcheck.engines.engine import Engine, Found

# So many numbers of a range are compared with one outside it.
_RANGE = 32


def held_changed(leaf: Leaf, a: np.ndarray, generator: np.random.Generator, indexed: int, repeat: bool) -> np.ndarray:
    """What is not differentiated, rearranged so that it stays what it was: distinct, sorted, one-hot, a mask.

    Numbers that are all alike are made different. indexed: the shortest axis that integers may point into. repeat:
    whether distinct integers that are no permutation may repeat.
    """
    if leaf.moves or a.size == 0 or (leaf.floating and not np.all(np.isfinite(a.astype(np.float64)))):
        return a
    alike = bool(np.all(a == a.flat[0]))
    ordered = a.ndim == 1 and bool(np.all(a[1:] >= a[:-1])) and not alike
    if leaf.floating:
        if alike:
            return np.asarray((a.astype(np.float64) + (a == 0)) * generator.uniform(0.5, 1.5, a.shape))
        if ordered:
            gaps = np.diff(a.astype(np.float64)) * generator.uniform(0.5, 1.5, a.size - 1)
            return np.concatenate([a[:1], a[0] + np.cumsum(gaps)])
        if orthonormal(a):
            return np.asarray(a[:, generator.permutation(a.shape[1])])
        if leaf.complex:
            return a[..., generator.permutation(a.shape[-2]), :] if a.ndim > 1 else a
        return generator.permuted(a, axis=-1)
    if a.dtype.kind == "b":
        return generator.random(a.shape) > 0.5 if alike else generator.permuted(a, axis=-1)
    if a.ndim and a.min() < 0 and not ordered:
        # Among labels some are ignored: how many is no constant.
        distinct = np.unique(a).size == a.size and not repeat
        return generator.permuted(a, axis=-1) if distinct else generator.choice(a.ravel(), a.shape).astype(a.dtype)
    if a.min() < 0 or a.ndim == 0 or (ordered and a[0] == 0 and int(a[-1]) + 1 > np.unique(a).size):
        return a
    distinct = np.unique(a).size == a.size > 1 and not (repeat and int(a.max()) + 1 > a.size)
    last = int(a.max()) + 1 if not alike else max(int(a.max()) + 1, indexed)
    drawn = generator.choice(last, a.shape, replace=not distinct).astype(a.dtype)
    if 0 not in drawn:
        drawn.flat[0] = 0  # the first index is the one that is forgotten
    return np.sort(drawn) if ordered else drawn


def all_held(domain: Domain, sample: Found, generator: np.random.Generator, repeat: bool) -> Found:
    """The arrays with what is held changed, where it can be."""
    indexed = min((n for at in domain.inputs.moving for n in sample[at].shape), default=1)
    pairs = zip(domain.inputs.leaves, sample, strict=True)
    return [held_changed(leaf, a, generator, indexed, repeat) for leaf, a in pairs]


def out_of_range(domain: Domain, sample: Found, engine: Engine) -> Iterator[tuple[str, Found]]:
    """Integers of which the sample has none and that f takes: ignored labels, clamped indices, groups that are empty.

    f takes those that it clamps, and those that it tells from every number of the sample's range: an index that is
    wrapped around, or that JAX clamps unasked, is nobody's input.
    """
    for at, (leaf, a) in enumerate(zip(domain.inputs.leaves, sample, strict=True)):
        if leaf.floating or a.dtype.kind not in "iu" or a.ndim == 0 or a.size == 0 or _pointers(a):
            continue
        # Without a program to read, none outside the sample's range: a library may read what lies there, and crash.
        tried = () if engine.excluded is None else engine.excluded
        if np.all(a == a.flat[0]) and engine.excluded is not None:
            tried = *tried, int(a.max()) + 1, int(a.max()) + 2  # all alike hide what others would do
        for value in sorted({*tried, *engine.clamped} - set(range(int(a.min()), int(a.max()) + 1))):
            if not np.can_cast(np.min_scalar_type(value), a.dtype):
                continue
            changed = _with(sample, at, value)
            if value in engine.clamped or _is_told_apart(engine, sample, at, changed):
                yield f"{leaf.name} holds {value}", changed
        if np.unique(a).size == a.size > 1 and int(a.max()) + 1 > a.size and not engine.scatters:
            yield f"{leaf.name} repeated", [_repeated(b) if b is a else b for b in sample]
        if a.size > 1 and np.unique(a).size not in (1, a.size):
            yield f"{leaf.name} all {a.flat[0]}", [np.full_like(b, a.flat[0]) if b is a else b for b in sample]


def _repeated(a: np.ndarray) -> np.ndarray:
    changed = a.copy()
    changed.flat[-1] = a.flat[0]
    return changed


def _with(sample: Found, at: int, value: int) -> Found:
    """The sample with one number of one array replaced."""
    changed = sample[at].copy()
    changed.flat[changed.size // 2] = value
    return [changed if place == at else a for place, a in enumerate(sample)]


def _is_told_apart(engine: Engine, sample: Found, at: int, changed: Found) -> bool:
    """Whether f is finite there, and another than at every number within the sample's range."""
    try:
        found = engine.value(changed)
        within = [engine.value(_with(sample, at, n)) for n in range(min(int(sample[at].max()) + 1, _RANGE))]
    except Refused:
        return False
    finite = all(bool(np.all(np.isfinite(a))) for a in found)
    return finite and not any(all(map(np.array_equal, found, other)) for other in within)


def _pointers(a: np.ndarray) -> bool:
    """Whether they say where each row of something begins."""
    ordered = a.ndim == 1 and a.size > 1 and bool(np.all(a[1:] >= a[:-1]))
    return ordered and a[0] == 0 and int(a[-1]) + 1 > np.unique(a).size


def orthonormal(a: np.ndarray) -> bool:
    """Whether the columns of a matrix are of length 1 and at right angles."""
    wide = a.astype(np.float64)
    return a.ndim == 2 and a.size > 1 and bool(np.allclose(wide.T @ wide, np.eye(a.shape[1]), atol=1e-5))
