"""The devices that a run is spread over, in a grid whose axes have names: `jax.sharding.Mesh`."""

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.machine import device_name
from manual_vs_auto.runs.processes import runtime
from manual_vs_auto.runs.values import AXES

DATA, CLASSES = AXES


def sizes_of(asked: str) -> dict[str, int]:
    """What stands after --mesh, by axis; no axis for ""."""
    return {axis: int(size) for axis, _, size in (pair.partition("=") for pair in asked.split(",") if pair)}


def prepare(asked: str, known: Sequence[str], otherwise: str) -> None:
    """Have JAX make as many devices of the CPU as the mesh needs, before it makes any; processes have joined before.

    Args:   known: axes that this work has. otherwise: what a person could do where the mesh has another one.
    Raises: UsageError where it has.
    """
    if other := [axis for axis in sizes_of(asked) if axis not in known]:
        raise UsageError(f"--mesh {asked}: there is no axis {other[0]} here; {otherwise}")
    if asked:
        count = runtime.member.count if runtime.member else 1
        with suppress(RuntimeError):  # it has made them: what there is, is what there is
            jax.config.update("jax_num_cpu_devices", -(-math.prod(sizes_of(asked).values()) // count))


def mesh_of(asked: str, device: jax.Device) -> Mesh | None:
    """The mesh of devices like this one; of all that there are, along DATA, where several processes ask for none.

    Raises: UsageError where there are too few devices, or where a process would have other devices than those in it.
    """
    devices, processes = jax.devices(device.platform), jax.process_count()
    if not asked and processes == 1:
        return None
    sizes = sizes_of(asked) or {DATA: len(devices)}
    count = math.prod(sizes.values())
    of, there = _devices(count), _devices(len(devices), f"{device.platform} ")
    if processes > 1 and count % processes and device.platform == "cpu":  # where `prepare` has made as many in each
        raise UsageError(f"--mesh {asked} is of {of}: {processes} processes need a multiple of {processes}")
    if processes > 1 and count != len(devices):
        raise UsageError(f"--mesh {asked} is of {of}, and must be of all {there} in {processes} processes")
    if count > len(devices):
        raise UsageError(f"--mesh {asked} is of {of}, and JAX sees {there}")
    kinds = (AxisType.Auto,) * len(sizes)
    return jax.make_mesh(tuple(sizes.values()), tuple(sizes), axis_types=kinds, devices=devices[:count])


def _devices(count: int, kind: str = "") -> str:
    return f"{count} {kind}device{'s' if count > 1 else ''}"


def spread_name(device: jax.Device, mesh: Mesh | None) -> str:
    """The device as a person would name it, and how many there are of it."""
    if mesh is None:
        return device_name(device)
    grid = ",".join(f"{axis}={size}" for axis, size in mesh.shape.items())
    processes = jax.process_count()
    return f"{device_name(device)}; {grid}{f' in {processes} processes' if processes > 1 else ''}"


def placed(mesh: Mesh, array: Any, *axes: str | None) -> jax.Array:
    """An array on all devices of the mesh, or cut over these axes of it, of which each process reads its own part."""
    held = np.asarray(array)
    return jax.make_array_from_callback(held.shape, NamedSharding(mesh, P(*axes)), lambda index: held[index])
