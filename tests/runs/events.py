"""TensorBoard's event files, read without its help: TFRecords, and in each the message that its format says."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

Point = tuple[str, str, int]  # the curve's folder, the number's name, and the step


def points(run: Path) -> dict[Point, float]:
    """Every number in a run's event files. None may be there twice."""
    from tensorboardX.crc32c import crc32c
    from tensorboardX.proto.event_pb2 import Event

    def masked(content: bytes) -> int:
        """Source: tensorflow/core/lib/hash/crc32c.h, Mask."""
        crc: int = crc32c(content)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    found: dict[Point, float] = {}
    for path in sorted((run / "tensorboard").rglob("*.tfevents.*")):
        content, at, first = path.read_bytes(), 0, True
        while at < len(content):
            (size, of_size) = struct.unpack_from("<QI", content, at)
            assert of_size == masked(content[at : at + 8])
            data = content[at + 12 : at + 12 + size]
            assert struct.unpack_from("<I", content, at + 12 + size)[0] == masked(data)
            at += size + 16
            event = Event.FromString(data)
            assert first == (event.file_version == "brain.Event:2")
            first = False
            for value in event.summary.value:
                key = (path.parent.relative_to(run / "tensorboard").as_posix(), value.tag, event.step)
                assert key not in found, "a step is there twice"
                found[key] = value.simple_value
    return found


def expected(run: Path) -> dict[Point, float]:
    """What metrics.jsonl says: float32, as TensorBoard has numbers."""
    found: dict[Point, float] = {}
    ends = 0
    for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()):
        if "iteration" in line:
            curve, step = f"l2={line['l2']}", line.pop("iteration")
        elif "iterations" in line:
            ends += 1
            curve, step = ".", ends
        else:
            curve, step = ".", line.pop("epoch")
        for name, value in line.items():
            if value is not None and not isinstance(value, str):
                found[curve, name, step] = float(np.float32(value))
    return found


def expect_the_metrics(run: Path) -> dict[Point, Any]:
    """The event files say what metrics.jsonl does, once and no more."""
    held = points(run)
    assert held == expected(run)
    return held
