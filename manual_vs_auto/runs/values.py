"""What stands after a flag, read: each takes a text, and raises argparse.ArgumentTypeError, one line, if it's wrong."""

import argparse
import math
import struct
from collections.abc import Callable
from pathlib import Path

AXES = ("data", "classes")  # of a mesh: over the first rows are cut, over the second classes
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def whole(least: int) -> Callable[[str], int]:
    """A whole number from `least`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least}")
        return number

    return read


def path(text: str) -> Path:
    """A path, which may lead nowhere."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path")
    return Path(text)


def address(text: str) -> str:
    """HOST:PORT, an IPv6 address in brackets."""
    host, _, port = text.rpartition(":")
    named = host.strip("[]") and (":" not in host or (host.startswith("[") and host.endswith("]")))
    if not (named and port.isdecimal() and 0 < int(port) < 1 << 16) or any(map(str.isspace, text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT, as in 10.0.0.1:1234")
    return text


def positive(text: str) -> float:
    """A positive number that float32 has."""
    number = _number(text)
    try:
        (kept,) = struct.unpack("f", struct.pack("f", number))
    except OverflowError:
        kept = math.nan
    if not 0 < kept < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number of float32")
    return number


def duration(text: str) -> float:
    """A time in seconds: 300, or with its unit 300s, 5m, 2h, 1d."""
    number = _number(text[:-1]) * _SECONDS[text[-1]] if text[-1:] in _SECONDS else _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 300, or with its unit 300s, 5m, 2h")
    return number


def accuracy(text: str) -> float:
    """A share of what is right, 0.93; or with its sign a percentage, 93%. 1 could be either, so it is refused."""
    number = _number(text[:-1]) / 100 if text.endswith("%") else _number(text)
    if not 0 < number <= 1 or text.strip() == "1":
        raise argparse.ArgumentTypeError(f"{text!r} is no accuracy: a share, 0.93, or a percentage with its sign, 93%")
    return number


def part(text: str) -> float:
    """A part that can be taken away, up to a half."""
    number = _number(text)
    if not 0 < number <= 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is no share up to a half: 0.1")
    return number


def mesh(text: str) -> str:
    """Devices in a grid, "data=4" or "data=2,classes=4": each axis once, in this order; "" for no grid."""
    if not text:
        return ""
    pairs = [pair.partition("=")[::2] for pair in text.replace(" ", "").split(",")]
    sizes = dict(pairs)
    known = {axis: sizes.pop(axis) for axis in AXES if axis in sizes}
    if sizes or len(known) < len(pairs) or not all(size.isdecimal() and int(size) for size in known.values()):
        raise argparse.ArgumentTypeError(f"{text!r} is no mesh: data=4, or data=2,classes=4")
    return ",".join(f"{axis}={int(size)}" for axis, size in known.items())


def _number(text: str) -> float:
    """The number, or NaN, which nothing allows."""
    try:
        return float(text)
    except ValueError:
        return math.nan
