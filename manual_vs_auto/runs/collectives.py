"""What a compiled program moves between devices, read from its text: each collective and the bytes of its results."""

import math
import re
from collections import Counter
from typing import Any

_KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast"
_COLLECTIVE = re.compile(rf" = (.*?) ({_KINDS})(?:-start)?\(")
_SHAPE = re.compile(r"([a-z]+)(\d*)[a-z\d]*\[([\d,]*)\]")
_CALLED = re.compile(r"(body|condition|calls|to_apply)=%?([\w.\-]+)|(branch_computations)=\{([^}]*)\}")
_HEAD = re.compile(r"(ENTRY )?%?([\w.\-]+) \(.*\{$")


def moved(program: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes by kind of collective: in each round of the program's loops, and outside of them.

    Args: program: what `jax.jit(...).lower(...).compile()` returns.
    """
    lines: dict[str, list[str]] = {}
    entry, name = "", ""
    for line in program.as_text().splitlines():
        if head := _HEAD.match(line):
            name = head[2]
            lines[name] = []
            entry = name if head[1] else entry
        elif name:
            lines[name].append(line)
    looped: Counter[str] = Counter()
    once: Counter[str] = Counter()

    def count(name: str, sums: Counter[str]) -> None:
        for line in lines.get(name, []):
            if found := _COLLECTIVE.search(line):
                sums[found[2]] += _bytes(found[1])
            for how, one, _, several in _CALLED.findall(line):
                for inner in [one] if one else several.replace("%", "").split(", "):
                    count(inner, looped if how == "body" else sums)

    count(entry, once)
    return dict(looped), dict(once)


def told(program: Any, turn: str, run: str) -> str:
    """The same for a person. Args: turn, run: what a round of the loops is, and the whole: "a step" and "an epoch"."""
    looped, once = moved(program)
    parts = [f"{size:,} bytes {turn} by {kind}" for kind, size in looped.items()]
    return ", ".join(parts + [f"{size:,} bytes {run} by {kind}" for kind, size in once.items()]) or "nothing"


def _bytes(shapes: str) -> int:
    sizes = ((math.prod(map(int, filter(None, s.split(",")))), int(bits or 8)) for _, bits, s in _SHAPE.findall(shapes))
    return sum(count * bits // 8 for count, bits in sizes)  # pred, without bits, takes a byte
