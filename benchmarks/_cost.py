"""What a step or a pass costs on many devices, by a model of four costs that are fitted to what was measured.

    T = max(1 / u, n / c) (operations / rate + bytes / bandwidth + messages * latency + moved / link)

of one of n devices that share c cores, rate and bandwidth being a core's: alone it keeps u of them busy, and where
n u > c they wait for each other, so more of them are no faster. A sum over devices goes up a tree and down again,
2 log2(n) messages one after the other, and each device sends 2 (n - 1) / n of its bytes. That starting a program costs
something is not in it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy.optimize import nnls

Terms: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Work:
    """What each of n devices does.

    devices:     n.
    operations:  of floating point, of one device.
    bytes:       that one device reads and writes in memory.
    collectives: sums over all devices.
    moved:       bytes of the results of these sums, all together.
    busy:        u, the cores that one device keeps busy where it is alone.
    """

    devices: int
    operations: float
    bytes: float
    collectives: float
    moved: float
    busy: float = 1

    def terms(self, cores: float = math.inf) -> Terms:
        """Operations, bytes, messages and bytes sent, of a device whose turn comes among those that share cores."""
        messages = self.collectives * 2 * math.ceil(math.log2(self.devices))
        sent = self.moved * 2 * (self.devices - 1) / self.devices
        return max(1 / self.busy, self.devices / cores) * np.array([self.operations, self.bytes, messages, sent])


@dataclass(frozen=True)
class Costs:
    """Seconds for an operation, for a byte of memory, for a message, and for a byte sent."""

    operation: float
    byte: float
    message: float
    sent: float

    def parts(self, work: Work, cores: float = math.inf) -> tuple[float, float, float]:
        """Seconds of arithmetic, of memory and of collectives."""
        arithmetic, memory, latency, link = map(float, work.terms(cores) * np.array(astuple(self)))
        return arithmetic, memory, latency + link


def step(devices: int, batch: float, features: int, classes: int, collectives: float = 1) -> Work:
    """A step of `train` on a batch that is cut over devices, uint8 [B, D], by plain gradient descent in float32.

    Two products of 2 B D K operations each. A pixel is read and copied in one byte each, written once and read twice in
    four; the weights [K, D] are read twice, written once, and so is their gradient, all but once.
    """
    share, weights = batch / devices, classes * features
    moved = 4 * weights + 8 if devices > 1 else 0  # the loss and the number of examples beside the gradient
    return Work(devices, 4 * share * weights, 14 * share * features + 20 * weights, collectives * (devices > 1), moved)


def full_pass(devices: int, rows: float, features: int, classes: int, collectives: float = 1) -> Work:
    """A pass of `fit` for value and gradient over rows float32 [N, D] that are cut over devices, and read once."""
    share, weights = rows / devices, classes * features
    moved = 8 * weights + 8 if devices > 1 else 0  # summed in float64
    return Work(devices, 4 * share * weights, 4 * share * features + 12 * weights, collectives * (devices > 1), moved)


def fitted(works: Sequence[Work], kinds: Sequence[str], seconds: Sequence[float], cores: int) -> dict[str, Costs]:
    """The costs that leave the least squares of relative errors, none of them negative.

    Arithmetic and memory cost the same for all; messages and bytes sent have a cost for each kind of device.

    Args: works, kinds, seconds: one of each a measurement.
    Raises: ValueError where there are fewer measurements than costs.
    """
    names = list(dict.fromkeys(kinds))
    columns = 2 + 2 * len(names)
    if len(works) < columns:
        raise ValueError(f"{len(works)} measurements are too few for {columns} costs")
    matrix = np.zeros((len(works), columns))
    for row, work, kind, taken in zip(matrix, works, kinds, seconds, strict=True):
        own = 2 + 2 * names.index(kind)
        row[:2], row[own : own + 2] = np.split(work.terms(cores) / taken, 2)
    sizes = np.maximum(matrix.max(axis=0), np.finfo(np.float64).tiny)
    found = nnls(matrix / sizes, np.ones(len(works)))[0] / sizes
    return {
        name: Costs(*map(float, (*found[:2], *found[2 + 2 * at : 4 + 2 * at]))) for at, name in enumerate(names)
    }  # fmt: skip


def errors(
    works: Sequence[Work], kinds: Sequence[str], seconds: Sequence[float], costs: Mapping[str, Costs], cores: int
) -> list[float]:
    """(model - measured) / measured, of each measurement."""
    model = [sum(costs[kind].parts(work, cores)) for work, kind in zip(works, kinds, strict=True)]
    return [ours / taken - 1 for ours, taken in zip(model, seconds, strict=True)]


@dataclass(frozen=True)
class Place:
    """Where nobody measured: devices, each with cores of its own, and what is assumed of them.

    rate:      operations a second, of one device.
    bandwidth: bytes a second of its memory.
    latency:   seconds a message.
    link:      bytes a second that it sends.
    """

    name: str
    devices: int
    rate: float
    bandwidth: float
    latency: float
    link: float


def extrapolated(places: Sequence[Place]) -> list[dict[str, Any]]:
    """A row for each work and place, with what is assumed. "efficiency" is 1 where n devices do n times as much."""
    sizes: dict[str, Callable[[int], Work]] = {
        "step, 4,096 images in all": lambda n: step(n, 4096, 784, 10),
        "step, 4,096 images a device": lambda n: step(n, 4096 * n, 784, 10),
        "step, 4,096 rows a device, 4,096 x 100,000": lambda n: step(n, 4096 * n, 4096, 100_000),
        "pass over 8,100,000 x 784, 10 classes": lambda n: full_pass(n, 8_100_000, 784, 10),
    }
    rows = []
    for what, made in sizes.items():
        for place in places:
            costs = Costs(1 / place.rate, 1 / place.bandwidth, place.latency, 1 / place.link)
            arithmetic, memory, collective = costs.parts(made(place.devices))
            alone, together = sum(costs.parts(made(1))), arithmetic + memory + collective
            speed_up = made(place.devices).operations * place.devices / made(1).operations * alone / together
            rows.append(
                {"extrapolated": what, "to": place.name, "assumed FLOP/s": place.rate,
                 "assumed memory B/s": place.bandwidth, "assumed latency s": place.latency,
                 "assumed link B/s": place.link, "arithmetic ms": 1e3 * arithmetic, "memory ms": 1e3 * memory,
                 "collective ms": 1e3 * collective, "in all ms": 1e3 * together,
                 "efficiency": speed_up / place.devices}
            )  # fmt: skip
    return rows
