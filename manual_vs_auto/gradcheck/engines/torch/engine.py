"""Runs a claim with PyTorch: call by call, in the author's precision and in float64; autograd is a witness.

Every call of a claim's functions goes through `called`: with gradients on, and with torch's settings put back.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from manual_vs_auto.gradcheck.claims.arguments import Inputs, Leaf
from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.claims.errors import Refused, WrongShapeError, refusing
from manual_vs_auto.gradcheck.claims.tensors import as_numpy, copied
from manual_vs_auto.gradcheck.engines.clock import Timed
from manual_vs_auto.gradcheck.engines.engine import TINY_STEP, Arrays, Found, moved, widen
from manual_vs_auto.gradcheck.engines.swept import Swept
from manual_vs_auto.gradcheck.engines.torch.operations import Looking, Reading
from manual_vs_auto.gradcheck.engines.torch.stripped import once_only, pulled, pushed, stripped
from manual_vs_auto.gradcheck.numerics.differences import Sweep
from manual_vs_auto.gradcheck.numerics.precision import lowest

_NO_PATH = "nothing that torch differentiates leads from the arguments to what f returns"


class Traced(NamedTuple):
    """given: one value a leaf. written: the leaves that f writes into. needed: which outputs of the claim have one."""

    given: list[Any]
    written: list[int]
    output: Any
    needed: list[bool]


class TorchEngine(Timed):
    """See Engine. f that draws random numbers draws the same at every call, and is run in float64 only."""

    xp = "torch"
    in_numpy = False
    has_autodiff = True
    bounds: tuple[float, ...] = ()
    excluded: tuple[int, ...] | None = None
    clamped: tuple[int, ...] = ()
    iterates = False

    def __init__(self, claim: Claim, like: "TorchEngine | None" = None) -> None:
        """like: the engine of the claim that this one is made from."""
        self._claim, self._swept = claim, Swept(claim)
        self.notes: list[str] = []
        self._device = next(leaf.device for leaf in claim.inputs.leaves if leaf.device)
        self._state: list[Any] = _random_state() if like is None else like._state
        self._made: dict[Any, list[tuple[tuple[int, ...], Any]]] = {}
        self._draws = False
        self._look(widen(claim.inputs.sample))

    def of(self, claim: Claim) -> "TorchEngine":
        """See Engine."""
        return TorchEngine(claim, self)

    def _look(self, wide: Found) -> None:
        """What f and the rule are made of, seen operation by operation."""
        claim, reading = self._claim, Reading()
        with reading:
            outputs = self.value(wide)
        after = _random_state()
        self._draws = len(after) == len(self._state) and not all(map(torch.equal, after, self._state))
        if self._draws:
            self.notes.append("f draws random numbers: the same at every call here, and in float64 only")
        ones = list(map(np.ones_like, [wide[at] for at in claim.inputs.moving] if claim.forward else outputs))
        looking = Looking()
        try:
            with reading, looking:
                self._called(self._value_and_derivative, wide, self.given(wide), self.tensors(ones))
        except Refused as refusal:
            self.has_autodiff = False
            self.notes.append(f"no autodiff: {refusal}")
        of_rule = Reading()
        with contextlib.suppress(Refused, WrongShapeError), of_rule:
            self.manual(wide, ones)
        self.dtype, self.manual_dtype = lowest(reading.dtypes), lowest(of_rule.dtypes)
        self.longest_sum = max(reading.longest_sum, of_rule.longest_sum)
        self.detaches, self.scatters = looking.detaches, reading.scatters

    def given(self, arrays: Arrays) -> list[Any]:
        """One value a leaf as the function is given it: a tensor for a tensor, a number for a number."""
        return given(self._claim.inputs, arrays)

    def tensors(self, arrays: Arrays) -> list[Any]:
        """Cotangents or tangents."""
        return [_tensor(a, self._device) for a in arrays]

    def outputs_like(self, arrays: Arrays) -> list[tuple[tuple[int, ...], Any]]:
        key = tuple((a.shape, str(a.dtype)) for a in arrays)
        if key not in self._made:
            try:
                made = self._called(self._claim.judged, arrays, self.given(arrays))
            except Refused:
                # What the author's precision lacks an operation for is judged in float64.
                made = self._called(self._claim.judged, widen(arrays), self.given(widen(arrays)))
            self._made[key] = [(a.shape, a.dtype) for a in map(as_numpy, made)]
        return list(self._made[key])

    def value(self, arrays: Arrays) -> Found:
        arrays = self._run_in(arrays)
        return widen([as_numpy(a) for a in self._called(self._claim.judged, arrays, self.given(arrays))])

    def manual(self, arrays: Arrays, cotangents: Arrays) -> Found:
        return self.value_and_manual(arrays, cotangents)[1]

    def value_and_manual(self, arrays: Arrays, cotangents: Arrays) -> tuple[Found, Found]:
        claim, arrays, cotangents = self._claim, self._run_in(arrays), self._run_in(cotangents)
        values, seeds = self.given(arrays), self.tensors(cotangents)
        both = claim.paired or (lambda *given: ([], claim.manual(*given)))
        # A rule apart from f that draws random numbers of its own is not to be helped to the same ones.
        outputs, found = self._called(both, arrays, values, seeds, anew=claim.carried)
        return widen([as_numpy(a) for a in outputs]), widen([as_numpy(a) for a in found])

    def autodiff(self, arrays: Arrays, cotangents: Arrays) -> Found:
        return self.value_and_autodiff(arrays, cotangents)[1]

    def value_and_autodiff(self, arrays: Arrays, cotangents: Arrays) -> tuple[Found, Found]:
        arrays, cotangents = self._run_in(arrays), self._run_in(cotangents)
        values, seeds = self.given(arrays), self.tensors(cotangents)
        outputs, found = self._called(self._value_and_derivative, arrays, values, seeds)
        # A surrogate lends its derivative alone; the values are the function's own.
        own = outputs if self._claim.surrogate is None else self._called(self._claim.f, arrays, values)
        return widen([as_numpy(a) for a in own]), widen([as_numpy(a) for a in found])

    def differentiate(self, arrays: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Autograd of the stripped function, of tensors: differentiable itself."""
        return self._value_and_derivative(arrays, cotangents)[1]

    def _value_and_derivative(self, arrays: Sequence[Any], cotangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        claim, at = self._claim, self._claim.inputs.moving
        with stripped():
            if not claim.forward:
                outputs, found = pulled(claim.judged, arrays, at, cotangents)
            else:
                outputs, found = pushed(claim.judged, arrays, at, cotangents)
        if found is None:
            raise Refused(TypeError(_NO_PATH))
        return outputs, found

    @staticmethod
    def pushed(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        """The tangents of what f(primals) returns: differentiable itself."""
        outputs, found = pushed(f, primals, range(len(primals)), tangents)
        if once_only(outputs):
            raise Refused(TypeError("a backward is marked @once_differentiable"))
        return [torch.zeros_like(a) for a in outputs] if found is None else found

    def traced(self, arrays: Arrays) -> Traced:
        """The function as it is, called once with gradients required of what moves."""
        at, values = self._claim.inputs.moving, self.given(arrays)
        shown = [a.requires_grad_() if place in at else a for place, a in enumerate(values)]
        own = [copied(a) for a in shown]
        before = [getattr(a, "_version", 0) for a in own]
        output = self._called(self._claim.function, arrays, *self._claim.inputs.unpack(own))
        written = [place for place, a in enumerate(own) if getattr(a, "_version", 0) > before[place]]
        flat = self._called(self._claim.f, arrays, [copied(a) for a in shown])
        return Traced(shown, written, output, [getattr(a, "requires_grad", False) for a in flat])

    def sweep(self, arrays: Arrays, direction: Arrays) -> list[Sweep]:
        return self._swept.of(self.value, arrays, direction)

    def further(self, arrays: Arrays) -> list[tuple[Found, Found, Found]]:  # noqa: ARG002
        return []

    def complex_step(self, arrays: Arrays, direction: Arrays) -> Found:
        wide = moved(self._claim, widen(arrays), widen(direction), TINY_STEP * 1j)
        found = self._called(self._claim.judged, wide, self.given(wide))
        return [np.imag(as_numpy(a)) / TINY_STEP for a in found]

    def _run_in(self, arrays: Arrays) -> Arrays:
        return widen(arrays) if self._draws else arrays

    def _called(self, code: Callable[..., Any], arrays: Arrays, *values: Any, anew: bool = True) -> Any:
        """See called; anew: from the random state that the check began with."""
        if anew:
            _set_random_state(self._state)
        return called(code, arrays, *values)


def called(code: Callable[..., Any], arrays: Arrays, *values: Any) -> Any:
    """What a claim's function returns for values made of these arrays. Raises: Refused."""
    with _settings(arrays), refusing():
        return code(*values)


def given(inputs: Inputs, arrays: Arrays) -> list[Any]:
    """One value a leaf as the function is given it: a tensor for a tensor, a number for a number."""
    return [_as_given(a, leaf) for a, leaf in zip(arrays, inputs.leaves, strict=True)]


@contextlib.contextmanager
def _settings(arrays: Arrays) -> Iterator[None]:
    """Gradients on, and float64 what is made without a dtype where the arrays are; afterwards all is as it was."""
    dtype, strict = torch.get_default_dtype(), _strictness()
    wide = any(a.dtype in (np.float64, np.complex128) for a in arrays)
    try:
        with torch.enable_grad(), Looking(wide):
            if wide:
                torch.set_default_dtype(torch.float64)
            yield
    finally:
        torch.set_default_dtype(dtype)
        if _strictness() != strict:
            torch.use_deterministic_algorithms(strict[0], warn_only=strict[1])


def _strictness() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


@contextlib.contextmanager
def nothing_changed() -> Iterator[None]:
    """Torch's random state is put back. Meanwhile one thread is used: with few numbers more only wait."""
    state, threads = _random_state(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(threads)
        _set_random_state(state)


def _random_state() -> list[Any]:
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [])]


def _set_random_state(state: list[Any]) -> None:
    torch.set_rng_state(state[0])
    if len(state) > 1:
        torch.cuda.set_rng_state_all(state[1:])


def _as_given(array: np.ndarray, leaf: Leaf) -> Any:
    if leaf.device:
        return _tensor(array, leaf.device)
    return array.item() if leaf.plain and not leaf.complex else np.array(array)


def _tensor(array: np.ndarray, device: str) -> Any:
    own = np.array(array, order="C")
    if own.dtype.name == "bfloat16":
        return torch.from_numpy(own.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(own).to(device)
