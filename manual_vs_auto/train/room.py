"""Whether a run fits into memory: what XLA says that its programs take, beside what is free."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from manual_vs_auto.runs.errors import NoRoomError
from manual_vs_auto.runs.machine import free_bytes


def taken(program: Any) -> int:
    """Bytes that a compiled program takes beside its arguments while it runs; 0 where XLA doesn't say."""
    analysis = program.memory_analysis()
    if analysis is None:
        return 0
    return int(analysis.temp_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes)


def expect_room_for_data(device: jax.Device, size: int) -> None:
    """Raises NoRoomError where data of so many bytes don't fit on a device with memory of its own."""
    free = None if device.platform == "cpu" else free_bytes(device)
    if free is not None and size > free:
        where = f"{device.platform} has {free:,} free"
        raise NoRoomError(f"the images take {size:,} bytes, and {where}: use fewer images, or --device cpu")


def expect_room(
    device: jax.Device, epoch: Any, others: Sequence[Any], batch_size: int, smaller: Callable[[int], Any] | None
) -> None:
    """Raises NoRoomError where a program takes more than is free, with the largest power of 2 that fits as batch size.

    Args: epoch:   the compiled program of the steps; others: what else runs, whose size no flag changes.
          smaller: compiles the steps for another batch size; None where there can be no other.
    """
    free = free_bytes(device)
    if free is None or max(map(taken, (epoch, *others))) <= free:
        return
    needed, words = taken(epoch), f"and {free:,} are free"
    if needed <= free or smaller is None:
        most = max(map(taken, (epoch, *others)))
        hint = "no --batch-size makes that less" if smaller else "--optimizer adam takes a few images at a time"
        raise NoRoomError(f"the run takes {most:,} bytes of memory, {words}: {hint}")
    size = 1 << ((batch_size - 1).bit_length() - 1)
    while size > 1 and taken(smaller(size)) > free:
        size //= 2
    raise NoRoomError(
        f"a step of {batch_size:,} images takes {needed:,} bytes of memory, {words}: use --batch-size {size}"
    )
