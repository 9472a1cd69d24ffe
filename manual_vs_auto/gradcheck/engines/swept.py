"""Sweeps that take a call of f a step, each once: the panel asks along elements along which the reference has asked."""

from collections.abc import Callable
from hashlib import sha256

from manual_vs_auto.gradcheck.claims.claim import Claim
from manual_vs_auto.gradcheck.engines.engine import Arrays, Found, sweep_by_calls, widen
from manual_vs_auto.gradcheck.numerics.differences import Sweep

# So many numbers are kept; the oldest make room.
_MOST = 1 << 20


class Swept:
    """sweep_by_calls of a claim, of which what was asked for lately is kept."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._kept: dict[bytes, list[Sweep]] = {}
        self._numbers = 0

    def of(self, value: Callable[[Arrays], Found], arrays: Arrays, direction: Arrays) -> list[Sweep]:
        """The function along a direction, by calls of value."""
        wide, along = widen(arrays), widen(direction)
        key = sha256(b"".join(str(a.shape).encode() + a.tobytes() for a in (*wide, *along))).digest()
        if key not in self._kept:
            found = sweep_by_calls(self._claim, value, wide, along)
            self._numbers += _numbers(found)
            while self._kept and self._numbers > _MOST:
                self._numbers -= _numbers(self._kept.pop(next(iter(self._kept))))
            self._kept[key] = found
        return self._kept[key]


def _numbers(sweeps: list[Sweep]) -> int:
    return sum(s.ahead.size + s.behind.size for s in sweeps)
