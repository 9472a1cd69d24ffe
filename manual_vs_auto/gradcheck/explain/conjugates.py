"""The ways in which derivatives of complex numbers are wrong: a conjugate, a part or a factor i too many or too few."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.engines.engine import Found
from manual_vs_auto.gradcheck.explain.hypotheses import Hypothesis, number, ratio
from manual_vs_auto.gradcheck.explain.observation import Observation

_Edits = tuple[tuple[str, str, Callable[[np.ndarray], np.ndarray]], ...]

_I = "a factor i is missing or too much"
_RESULTS: _Edits = (
    ("conjugate", "it is the negated conjugate", lambda g: -np.conj(g)),
    ("imaginary", f"{_I}: it is i times the right one", lambda g: 1j * g),
    ("imaginary", f"{_I}: it is -i times the right one", lambda g: -1j * g),
    ("imaginary", "its imaginary part is dropped", lambda g: g.real + 0j),
    ("imaginary", "its real part is dropped", lambda g: 1j * g.imag),
    ("imaginary", "its imaginary part stands for all of it", lambda g: g.imag + 0j),
)
_COTANGENTS: _Edits = (
    ("conjugate", "the {} is conjugated", np.conj),
    ("imaginary", "the imaginary part of the {} is dropped", np.real),
    ("imaginary", _I + ": it is the one of i times the {}", lambda s: 1j * s),
    ("imaginary", _I + ": it is the one of -i times the {}", lambda s: -1j * s),
)


def of_conjugates(
    claim: Claim, right: Callable[[Observation, Found], Found], first: Observation, leaves: Sequence[int],
    holds: Callable[[Hypothesis, Sequence[int]], bool],
) -> Iterator[Hypothesis]:  # fmt: skip
    """The other convention, if it is that for every leaf; a conjugate; a part; a factor i.

    right: what the reference makes of other cotangents. holds: whether an hypothesis explains these leaves everywhere.
    """
    complex_results = any(np.iscomplexobj(first.reference[leaf]) for leaf in leaves)
    nothing = not any(np.any(first.manual[leaf]) for leaf in leaves)
    if nothing or not (complex_results or any(map(np.iscomplexobj, first.cotangents))):
        return

    def other(e: Observation, leaf: int) -> np.ndarray:
        return np.asarray(np.conj(right(e, [np.conj(s) for s in e.cotangents])[leaf]))

    text = None if claim.forward else _convention(claim)
    if text and holds(whole := Hypothesis("conjugate", text, other), range(len(first.reference))):
        yield whole
    if complex_results:
        yield Hypothesis("conjugate", "it is conjugated", lambda e, leaf: np.conj(e.reference[leaf]))
    yield Hypothesis("conjugate", _conjugated(claim), other)
    yield Hypothesis("conjugate", f"{_conjugated(claim)}, with its sign turned round", lambda e, at: -other(e, at))
    c = ratio(*(np.concatenate([side[leaf].ravel() for leaf in leaves])
                for side in (first.manual, {leaf: other(first, leaf) for leaf in leaves})))  # fmt: skip
    if c not in (0, 1, -1):
        # An inverse transform that stands for the one it undoes.
        yield Hypothesis(
            "conjugate", f"{_conjugated(claim)}, and {number(c)} times that", lambda e, at: c * other(e, at)
        )
    yield Hypothesis(
        "imaginary", "the imaginary part of the Jacobian is dropped", lambda e, at: (e.reference[at] + other(e, at)) / 2
    )
    yield Hypothesis(
        "imaginary", "the real part of the Jacobian is dropped", lambda e, at: (e.reference[at] - other(e, at)) / 2
    )
    if complex_results and all(map(np.iscomplexobj, first.cotangents)):
        # d/dz is what is linear over the complex numbers, d/dz* what is conjugate to that.
        def linear(e: Observation, leaf: int) -> np.ndarray:
            return np.asarray((e.reference[leaf] - 1j * right(e, [1j * s for s in e.cotangents])[leaf]) / 2)

        yield Hypothesis("term", "the derivative by the conjugate is missing: it is that by z alone", linear)
        yield Hypothesis(
            "term", "it is the derivative by the conjugate alone", lambda e, at: e.reference[at] - linear(e, at)
        )
    if complex_results:
        for kind, text, change in _RESULTS:
            yield Hypothesis(kind, text, lambda e, leaf, change=change: change(e.reference[leaf]))  # type: ignore[misc]
    if any(map(np.iscomplexobj, first.cotangents)):
        word = "tangent" if claim.forward else "cotangent"
        for kind, text, change in _COTANGENTS:
            yield Hypothesis(kind, text.format(word), lambda e, leaf, change=change: right(e, _each(e.cotangents, change))[leaf])  # type: ignore[misc]  # noqa: E501  # fmt: skip


def _each(cotangents: Found, change: Callable[[np.ndarray], np.ndarray]) -> Found:
    return [change(s).astype(s.dtype) if np.iscomplexobj(s) else s for s in cotangents]


def _convention(claim: Claim) -> str:
    """What to say of a derivative that is right in the other convention of complex cotangents."""
    jax, conjugate = "JAX's convention (ct^T J, df/dx - i df/dy)", "the conjugate convention (ct^H J, df/dx + i df/dy)"
    right, here = (jax, conjugate) if claim.inputs.conjugate else (conjugate, jax)
    declared = "jax" if claim.inputs.conjugate else "conjugate"
    advice = (
        ""
        if claim.kind in ("custom_vjp", "autograd.Function")
        else f'; if that is meant, declare complex_convention="{declared}"'
    )
    return f"it is the conjugate: right in {right}, and wrong in {here}{advice}"


def _conjugated(claim: Claim) -> str:
    """What to say where the Jacobian stands for its conjugate, or the other way round."""
    if claim.forward:
        return "the Jacobian is conjugated: conj(J) t where J t belongs"
    if claim.inputs.conjugate:
        return "the Jacobian is not conjugated: J^T ct where J^H ct belongs"
    return "the Jacobian is conjugated: J^H ct where J^T ct belongs"
