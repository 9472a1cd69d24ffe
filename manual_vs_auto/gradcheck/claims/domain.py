"""Where inputs may lie, and what holds between their elements: what probes must not leave."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from manual_vs_auto.gradcheck.claims.arguments import Found, Inputs
from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.complex import join, split
from manual_vs_auto.gradcheck.claims.errors import UsageError
from manual_vs_auto.gradcheck.claims.tensors import cast


def _symmetric(a: Any) -> Any:
    return (a + a.swapaxes(-1, -2)) / 2


def _hermitian(a: Any) -> Any:
    return (a + a.swapaxes(-1, -2).conj()) / 2


def _positive_definite(a: np.ndarray) -> np.ndarray:
    return np.asarray(a @ a.swapaxes(-1, -2).conj() / max(a.shape[-1], 1) + np.eye(a.shape[-1]))


def _masked(below: int, above: int) -> Callable[[Any], Any]:
    def mask(a: Any) -> Any:
        n = a.shape[-1]
        apart = np.arange(n)[:, None] - np.arange(n)[None, :]
        return a * cast((apart <= below * n) & (-apart <= above * n), a)

    return mask


# What makes a matrix of the kind, and what projects onto the directions that stay in it, NumPy's and traced alike.
STRUCTURES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[Any], Any]]] = {
    "symmetric": (_symmetric, _symmetric),
    "hermitian": (_hermitian, _hermitian),
    "positive_definite": (_positive_definite, _hermitian),
    "lower_triangular": (_masked(1, 0), _masked(1, 0)),
    "upper_triangular": (_masked(0, 1), _masked(0, 1)),
    "diagonal": (_masked(0, 0), _masked(0, 0)),
}


@dataclass(frozen=True)
class Domain:
    """The interval of each array and its structure, by leaf."""

    inputs: Inputs
    ends: tuple[tuple[float, float] | None, ...]
    structures: tuple[str | None, ...]

    def holds(self, arrays: Sequence[np.ndarray]) -> bool:
        """Whether every moving element lies strictly inside. What the sample masks stays where it is."""
        return all(
            end is None or bool(np.all((a > end[0]) & (a < end[1]) | masked(a, own)))
            for end, a, own in zip(self.ends, arrays, self.inputs.sample, strict=True)
        )

    def shaped(self, arrays: Found) -> Found:
        """The arrays made into what their structures ask for."""
        return self._each(0, range(len(self.structures)), [np.asarray(a, np.float64) if kind else a for kind, a in
                                                          zip(self.structures, arrays, strict=True)])  # fmt: skip

    def _each(self, which: int, places: Sequence[int], arrays: Sequence[Any]) -> list[Any]:
        """The arrays of these leaves made (0), or projected (1), into their structures."""
        found = []
        for at, a in zip(places, arrays, strict=True):
            kind, pair = self.structures[at], self.inputs.leaves[at].complex
            if kind is not None:
                a = STRUCTURES[kind][which](join(a) if pair else a)
                a = split(a) if pair else a
            found.append(a)
        return found

    def constrain(self, claim: Claim) -> Claim:
        """The claim about f after the projection P onto the structure: its derivative is P of f's, in every direction.

        On arrays that have the structure already, f's values are the same.
        """
        if not self.structured:
            return claim

        def project(arrays: Sequence[Any]) -> list[Any]:
            return self._each(1, range(len(self.structures)), arrays)

        def project_moving(parts: Sequence[Any]) -> list[Any]:
            return self._each(1, self.inputs.moving, parts)

        def manual(arrays: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
            if claim.forward:
                return claim.manual(project(arrays), project_moving(cotangents))
            return project_moving(claim.manual(project(arrays), cotangents))

        surrogate = claim.surrogate
        return replace(
            claim,
            f=lambda arrays: claim.f(project(arrays)),
            manual=manual,
            surrogate=None if surrogate is None else lambda arrays: surrogate(project(arrays)),
        )

    @property
    def structured(self) -> bool:
        """Whether any leaf has a structure."""
        return any(kind is not None for kind in self.structures)


def masked(a: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Where the sample holds no finite number, as -inf for a logit: there it stays as it is. None in other shapes."""
    return np.zeros(a.shape, bool) if a.shape != own.shape or own.dtype.kind in "iub" else ~np.isfinite(own)


def domain_of(inputs: Inputs, domain: Any, structure: Any) -> Domain:
    """From the options domain ((low, high), or one such pair or None an argument) and structure ({name: kind})."""
    found = Domain(inputs, _ends(inputs, domain), _structures(inputs, {} if structure is None else structure))
    for leaf, ends, a in zip(inputs.leaves, found.ends, inputs.sample, strict=True):
        if ends is not None and not np.all((a >= ends[0]) & (a <= ends[1]) | ~np.isfinite(a)):
            raise UsageError(f"the sample of {leaf.name} lies outside its domain {ends}")
    return found


def _ends(inputs: Inputs, domain: Any) -> tuple[tuple[float, float] | None, ...]:
    if domain is None:
        return (None,) * len(inputs.leaves)
    pair = isinstance(domain, tuple | list) and len(domain) == 2 and all(_is_end(end) for end in domain)
    found: list[tuple[float, float] | None] = []
    for leaf in inputs.leaves:
        if not leaf.moves:
            found.append(None)
            continue
        try:
            given = domain if pair else domain[leaf.argument]
            found.append(None if given is None else _pair(given))
        except (TypeError, IndexError, ValueError, KeyError):
            raise UsageError(
                f"domain={domain!r}: expected (low, high) for all arguments, or one such pair (or None) each"
            ) from None
    return tuple(found)


def _is_end(end: Any) -> bool:
    return end is None or (np.ndim(end) == 0 and isinstance(end, int | float | np.number))


def _pair(given: Any) -> tuple[float, float]:
    low, high = given
    low, high = -np.inf if low is None else float(low), np.inf if high is None else float(high)
    if not low < high:
        raise ValueError("empty")
    return low, high


def _structures(inputs: Inputs, structure: Any) -> tuple[str | None, ...]:
    if not isinstance(structure, Mapping):
        raise UsageError(f"structure={structure!r}: a dict by argument, as in {{'A': 'symmetric'}}")
    names = [leaf.name for leaf in inputs.leaves]
    for name, kind in structure.items():
        if name not in names:
            raise UsageError(f"structure names {name!r}; the arguments are {', '.join(names)}")
        if kind not in STRUCTURES:
            raise UsageError(f"structure {kind!r} of {name}: expected one of {', '.join(STRUCTURES)}")
        at = names.index(name)
        shape = inputs.leaves[at].outer(inputs.sample[at].shape)
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise UsageError(f"structure {kind!r} of {name}: its shape {shape} is not square")
    return tuple(structure.get(name) for name in names)
