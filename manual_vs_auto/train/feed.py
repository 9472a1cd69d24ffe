"""Where the images of an epoch come from: the device has all of them, or they are read from their file as it works.

The steps can't tell. They take images [N, D], labels [N] and an order int32 [S, B] of them, in which N is no image.
A chunk of steps has a small data set of its own: the images that it needs, as they follow each other in the file, and
an order of these. So the batches are the same, and so is each number that comes of them.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import jax
import numpy as np

from manual_vs_auto.data import Dataset
from manual_vs_auto.data.mapped import gather, is_mapped
from manual_vs_auto.data.source import aligned
from manual_vs_auto.runs import together
from manual_vs_auto.runs.processes import agreement
from manual_vs_auto.train.place import Chunk, Place

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_CHUNK = 1 << 28  # bytes of images: the more, the closer together those lie in the file that are read at once
_SHARE = 8  # chunks at least an epoch of many steps, since nothing is read ahead of the first


class Feed(Protocol):
    """The seam.

    own: whether each device of a mesh has images of its own, that its columns of the order count among.
    """

    own: bool

    def size(self, steps: int, batch_size: int) -> int:
        """Bytes of memory that the images and labels of an epoch take."""

    def shapes(self, steps: int, batch_size: int) -> list[Chunk]:
        """One chunk of each shape that an order [steps, batch_size] comes in, the largest first: to compile for."""

    def chunks(self, order: Array) -> Iterator[Chunk]:
        """The chunks of an order int32 [S, B], which are good until the next is asked for."""


def feed_of(dataset: Dataset, place: Place) -> Feed:
    """Read ahead where the images stay in their file, or where processes have a share each, else from the device."""
    streamed = is_mapped(dataset.train_images) or not together.alone()
    return Streamed(dataset, place) if streamed else Resident(dataset, place)


class Resident:
    """All images on the device: an epoch is one chunk. They are put there when they are first asked for."""

    own = False

    def __init__(self, dataset: Dataset, place: Place) -> None:
        self._host, self._place = (dataset.train_images, dataset.train_labels), place
        self._placed: tuple[jax.Array, jax.Array] | None = None

    def size(self, steps: int, batch_size: int) -> int:  # noqa: ARG002  of whatever length it is
        return sum(array.nbytes for array in self._host)

    def shapes(self, steps: int, batch_size: int) -> list[Chunk]:
        return [(*self._here(), self._place.order_shape(steps, batch_size))]

    def chunks(self, order: Array) -> Iterator[Chunk]:
        yield *self._here(), self._place.order(order, len(self._host[1]))

    def _here(self) -> tuple[jax.Array, jax.Array]:
        self._placed = self._placed or self._place.everywhere(self._host)
        return self._placed


class Streamed:
    """Images that stay in their file: while the device works on a chunk of steps, a thread reads the next.

    On a mesh each process reads what its own devices take of every batch.
    Chunks have as many steps as each other or one less, so that there are two programs at most.
    """

    own = True

    def __init__(self, dataset: Dataset, place: Place) -> None:
        self._images, self._labels, self._rows = dataset.train_images, dataset.train_labels, dataset.train_rows
        self._place = place
        self._buffers: dict[tuple[int, int], Array] = {}

    def size(self, steps: int, batch_size: int) -> int:
        lengths = self._lengths(steps, batch_size)
        row = int(self._images[0].nbytes)
        return min(2, len(lengths)) * lengths[0] * batch_size * row + self._labels.nbytes

    def shapes(self, steps: int, batch_size: int) -> list[Chunk]:
        width = self._images.shape[1]

        def chunk(length: int) -> Chunk:
            return self._place.own_shapes(length, batch_size, width, self._images.dtype)

        return [chunk(length) for length in dict.fromkeys(self._lengths(steps, batch_size))]

    def chunks(self, order: Array) -> Iterator[Chunk]:
        ends = np.cumsum(self._lengths(*order.shape))
        parts = np.split(order, ends[:-1])
        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(self._placed, parts[0], 0)
            for number in range(len(parts)):
                chunk = ahead.result()
                if number + 1 < len(parts):  # where the one before was, which nobody needs any more
                    ahead = reader.submit(self._placed, parts[number + 1], (number + 1) % 2)
                yield chunk

    def _lengths(self, steps: int, batch_size: int) -> list[int]:
        """How many steps each chunk has, the longer ones first."""
        share = _SHARE if is_mapped(self._images) else 1
        most = min(_CHUNK, self._images.nbytes // share) // (batch_size * self._images[0].nbytes)
        count = -(-steps // max(1, most))
        return [steps // count + (at < steps % count) for at in range(count)]

    def _placed(self, part: Array, buffer: int) -> Chunk:
        def read(columns: Array, device: int) -> Chunk:
            return self._read(columns, (buffer, device))

        return self._place.own(part, len(self._labels), self._images.shape[1], read)

    def _read(self, part: Array, buffer: tuple[int, int]) -> Chunk:
        """Images [S b, D], labels [S b] and order [S, b] of some columns of a part."""
        wanted = part.reshape(-1)
        by_place = np.argsort(wanted)
        rows = wanted[by_place]
        real = int(np.searchsorted(rows, len(self._labels)))
        rows = rows[:real]
        images = self._memory(buffer, len(wanted))
        gather(self._images, rows if self._rows is None else self._rows[rows], images[:real])
        images[real:] = 0
        labels = np.zeros(len(wanted), self._labels.dtype)
        labels[:real] = self._labels[rows]
        order = np.full(len(wanted), len(wanted), np.int32)
        order[by_place[:real]] = np.arange(real, dtype=np.int32)
        return images, labels, order.reshape(part.shape)

    def _memory(self, buffer: tuple[int, int], rows: int) -> Array:
        """One of two pieces of memory, which a CPU's device works on as it is: new memory is slow."""
        held = self._buffers.get(buffer)
        if held is None or len(held) < rows:
            held = self._buffers[buffer] = aligned((rows, self._images.shape[1]), self._images.dtype)
        return held[:rows]


@dataclass(frozen=True)
class Stepping:
    """A function of (state, order [S, B]) to (state, what the steps report), chunk by chunk.

    It ends between two chunks where a signal is heard.

    feed:     the images.
    programs: compiled, by the number of their steps.
    jitted:   for other numbers.
    """

    feed: Feed
    programs: Mapping[int, Any]
    jitted: Any

    @property
    def longest(self) -> Any:
        """The program of the most steps."""
        return self.programs[max(self.programs)]

    def __call__(self, state: Any, order: Array) -> tuple[Any, Any]:
        reports = []
        for images, labels, rows in self.feed.chunks(order):
            agreement.agreed()  # to go on: all stop at the same place
            program = self.programs.get(len(rows), self.jitted)
            state, report = jax.block_until_ready(program(state, images, labels, rows))
            reports.append(report)
        return state, reports[0] if len(reports) == 1 else jax.tree.map(lambda *of: np.concatenate(of), *reports)


def compiling(
    jitted: Any, state: Any, feed: Feed, shape: tuple[int, int], begin: Callable[[Any], Future[Any]]
) -> Callable[[], Stepping]:
    """Begin to compile the steps, `make_epoch`'s, for orders of this shape; what is returned waits until they are."""
    futures = {chunk[2].shape[0]: begin(jitted.lower(state, *chunk)) for chunk in feed.shapes(*shape)}
    return lambda: Stepping(feed, {steps: future.result() for steps, future in futures.items()}, jitted)
