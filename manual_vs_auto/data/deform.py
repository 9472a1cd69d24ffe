"""`python -m manual_vs_auto.data.deform OUT`: many deformed copies of a data set's training images, as IDX files."""

import math
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np

from manual_vs_auto import command
from manual_vs_auto.data.dataset import Dataset, load
from manual_vs_auto.data.deformation import deformed
from manual_vs_auto.data.idx import header
from manual_vs_auto.data.mapped import gathered
from manual_vs_auto.data.source import Array, DataError
from manual_vs_auto.runs import files, signals
from manual_vs_auto.runs.ending import ended
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.parsing import Parser
from manual_vs_auto.runs.values import path, whole

_PIECE = 2000  # images that a thread makes at once
_BLOCK = 25_000  # pixels of them in a step: of more than twice as many the system would clear new memory each time
_MOST = 2**32  # images that an IDX file can have, and one more
_BETWEEN = 0.2, 10.0  # seconds between two words of how far it is, on a terminal and elsewhere


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = Parser(
        prog=command.program("manual_vs_auto.data.deform"),
        description="Write a data set of the training images and of copies of them that are turned, scaled, sheared, "
        "shifted and bent at random, with the test images as they are, as uncompressed IDX files in a directory that "
        "train's --data takes. 135 copies of MNIST are 8.1 million images, 6.4 GB.",
        epilog="Exit status: 0 written; 2 flags, data or a directory that can't be used; 130 interrupted, 143 "
        "terminated: then nothing is left.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("out", type=path, metavar="OUT", help="a directory that is not there yet")
    add("--copies", type=whole(1), default=135, metavar="N", help="the first is the images as they are (default: 135)")
    add("--seed", type=whole(0), default=0, metavar="N", help="of what is drawn (default: 0)")
    add("--data", metavar="PATH", help="a data set of grey uint8 images with whole numbers as labels, as train's "
        "--data names it (default: MNIST)")  # fmt: skip
    add("--quiet", action="store_true", help="say nothing but what is wrong")
    options = parser.parse_args(arguments)

    def work() -> int:
        started = time.perf_counter()
        written = write(options.out, load(options.data), options.copies, options.seed, quiet=options.quiet)
        if not options.quiet:
            print(f"{written}, in {time.perf_counter() - started:.0f} s")
        return 0

    return ended("manual_vs_auto.data.deform", work)


def write(out: Path, data: Dataset, copies: int, seed: int, quiet: bool = True) -> str:
    """Write the data set into the directory, which has its name only when it is whole.

    Args:    data:   of uint8 images [N, H, W].
             copies: of each training image; the first is the image itself. Image i of copy c is number c N + i.
    Returns: what was written, in a line.
    Raises:  UsageError where the directory is there or the disk too small; DataError for other images, and for labels
             of text. OSError.
    """
    if len(data.image_shape) != 2 or data.train_images.dtype != np.uint8:
        shape = "x".join(map(str, data.image_shape))
        raise DataError(data.name, f"{data.train_images.dtype} images of {shape}", "uint8 of two dimensions: grey ones")
    if data.class_names:
        found = f"labels of text: {', '.join(data.class_names[:3])}{', ...' if len(data.class_names) > 3 else ''}"
        raise DataError(data.name, found, "whole numbers from 0, for an IDX file holds no text")
    count, size = copies * len(data.train_labels), data.train_images.shape[1]
    if count >= _MOST:
        raise UsageError(f"--copies {copies:,}: an IDX file has fewer than {_MOST:,} images, not {count:,}")
    label = np.dtype(np.uint8 if data.classes <= 256 else ">i4")
    total = count * (size + label.itemsize) + data.test_images.nbytes + len(data.test_labels) * label.itemsize
    with _new(out, total) as directory:
        for split, images, answers in (
            ("train", _copies(data, copies, seed, quiet), (data.train_labels for _ in range(copies))),
            ("t10k", iter([data.test_images]), iter([data.test_labels])),
        ):
            examples = count if split == "train" else len(data.test_labels)
            kind = "ubyte" if label.itemsize == 1 else "int"
            _fill(
                directory / f"{split}-images-idx3-ubyte",
                header(np.dtype(np.uint8), (examples, *data.image_shape)),
                images,
            )
            _fill(
                directory / f"{split}-labels-idx1-{kind}",
                header(label, (examples,)),
                (numbers.astype(label) for numbers in answers),
            )
    shape = "x".join(map(str, data.image_shape))
    return f"{out}: {count:,} training and {len(data.test_labels):,} test images of {shape}, {total / 1e9:,.1f} GB"


@contextmanager
def _new(out: Path, size: int) -> Iterator[Path]:
    """A directory that has another name until the block has ended well, and is gone if it has not."""
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} is there already: name another directory")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out}: there is no directory {out.absolute().parent}")
    if (free := shutil.disk_usage(out.absolute().parent).free) < size:
        raise UsageError(f"{out}: the images take {size:,} bytes, and the disk has {free:,} free: use fewer --copies")
    partial = files.partial(out.absolute())
    try:
        partial.mkdir()
    except FileExistsError:
        raise UsageError(f"{partial} is there: another is being made, or it is what a killed one left") from None
    try:
        yield partial
        partial.rename(out.absolute())
    except BaseException:
        with signals.held():
            shutil.rmtree(partial, ignore_errors=True)
        raise


def _fill(file: Path, begin: bytes, arrays: Iterator[Array]) -> None:
    with file.open("wb") as stream:
        stream.write(begin)
        for array in arrays:
            stream.write(np.ascontiguousarray(array).data)
        stream.flush()
        os.fsync(stream.fileno())
        if hasattr(os, "posix_fadvise"):  # out of the cache, which has it in small pieces: see `mapped`
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _copies(data: Dataset, copies: int, seed: int, quiet: bool) -> Iterator[Array]:
    """Every copy of every training image in order, piece by piece, made by as many threads as there are processors."""
    count, threads = len(data.train_labels), os.cpu_count() or 1
    pieces = ((copy, start) for copy in range(copies) for start in range(0, count, _PIECE))
    pending: deque[Future[Array]] = deque()
    with ThreadPoolExecutor(threads) as pool, _Progress(copies * count, quiet) as progress:
        try:
            for copy, start in pieces:
                pending.append(pool.submit(_piece, data, seed, copy, start))
                if len(pending) > 2 * threads:
                    yield progress.past(pending.popleft().result())
            while pending:
                yield progress.past(pending.popleft().result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _piece(data: Dataset, seed: int, copy: int, start: int) -> Array:
    wanted = np.arange(start, min(start + _PIECE, len(data.train_labels)))
    images = gathered(data.train_images, wanted).reshape(-1, *data.image_shape)
    step = max(1, _BLOCK // images[0].size)
    blocks = range(0, len(images), step)
    return np.concatenate([deformed(images[at : at + step], seed, copy, start + at) for at in blocks])


class _Progress:
    """How far it is, on standard error: a line that is written over on a terminal, one now and then elsewhere."""

    def __init__(self, total: int, quiet: bool) -> None:
        self._total, self._done, self._open = total, 0, False
        self._live = sys.stderr.isatty()
        self._between = math.inf if quiet else _BETWEEN[not self._live]
        self._start = self._said = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            print(file=sys.stderr, flush=True)

    def past(self, images: Array) -> Array:
        """The images, which are done."""
        self._done += len(images)
        now = time.perf_counter()
        if now - self._said > self._between:
            rate = self._done / (now - self._start)
            left = round((self._total - self._done) / rate)
            said = f"{self._done:,} of {self._total:,} images, {rate:,.0f} a second, {left // 60}:{left % 60:02} left"
            print(f"\r{said:<76}" if self._live else said, end="\n"[self._live :], file=sys.stderr, flush=True)
            self._said, self._open = now, self._live
        return images


if __name__ == "__main__":
    signals.listen()
    command.run(main)
