"""`python -m benchmarks.scaling`: what more devices bring, measured here, and by a model where nobody measured.

A step of `train` on MNIST and a pass of `fit`, cut over 1, 2, 4 and 8 virtual devices of the CPU and over 1 and 2
processes. "strong" keeps the work and "weak" keeps the work of each device; devices that are more than the cores share
them. Then a model of four costs (`_cost.py`) is fitted to that, and says what larger places would take: from what is
assumed of them, and in a table of its own, for nothing of it was measured.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._cost import Costs, Place, errors, extrapolated, fitted
from benchmarks._measure import RESULTS, keep, machine, quartiles, table
from benchmarks._scaling_turns import Groups

DEVICES, PROCESSES = (1, 2, 4, 8), (1, 2)
# By name: whose turn it is, and what it takes beside the mesh; the first number is of images or rows.
STRONG = {
    "step, batch 512": ("steps", 20_480, 512),
    "step, batch 4096": ("steps", 20_480, 4096),
    "pass, 40,000 x 256, 10 classes": ("passes", 40_000, 256, 10),
    "pass, 20,000 x 512, 64 classes": ("passes", 20_000, 512, 64),
}
WEAK = {
    "step, batch 512 a device": ("steps", 5_120, 512),
    "pass, 10,000 x 256 a device, 10 classes": ("passes", 10_000, 256, 10),
}
SMOKE = (
    {"step, batch 64": ("steps", 640, 64)},
    {"pass, 500 x 64 a device, 8 classes": ("passes", 500, 64, 8)},
)
EPOCH, SMOKE_EPOCH = (60_000, 512), (640, 64)  # images and batch


def asked(count: int, smoke: bool) -> dict[str, Any]:
    """What so many devices measure."""
    strong, weak = SMOKE if smoke else (STRONG, WEAK)
    mesh = f"data={count}"
    works: dict[str, Any] = {f"strong: {name}": (kind, mesh, *sizes) for name, (kind, *sizes) in strong.items()}
    for name, (kind, rows, *sizes) in weak.items():
        grown = [sizes[0] * count] if kind == "steps" else sizes
        works[f"weak: {name}"] = (kind, mesh, rows * count, *grown)
    return works


def measured(rounds: int, smoke: bool) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Costs]]:
    """A row a measurement, the epochs of MNIST on one and on two devices, and the costs that fit the rows."""
    groups: dict[str, Any] = {
        f"{count} devices": (count, 0, asked(count, smoke)) for count in (DEVICES[:2] if smoke else DEVICES)
    }
    groups |= {
        f"{count} processes": (1, count, asked(count, smoke)) for count in (PROCESSES[1:] if smoke else PROCESSES)
    }
    images, batch = SMOKE_EPOCH if smoke else EPOCH
    both = {"one device": ("steps", "", images, batch), "two devices": ("steps", "data=2", images, batch)}
    groups["2 devices"][2].update(both)
    with Groups(groups, smoke) as running:
        turns, works = running.turns(rounds), running.works
    seconds = {of: [taken for taken, _ in given] for of, given in turns.items()}
    cores = os.cpu_count() or 1
    for group, name in works:  # as busy as one device is with the same
        alone = turns["1 devices", name] if ("1 devices", name) in turns else turns[group, name]
        busy = min(max(1.0, float(np.median([of for _, of in alone]))), cores)
        works[group, name] = replace(works[group, name], busy=busy)
    epoch = {name: [-(-images // batch) * taken for taken in seconds.pop(("2 devices", name))] for name in both}
    claim = {
        "images": images, "batch": batch, **{name: quartiles(taken) for name, taken in epoch.items()},
        "two_of_one": quartiles(np.array(epoch["two devices"]) / np.array(epoch["one device"])),
    }  # fmt: skip
    rows = []
    for (group, name), taken in seconds.items():
        middle = float(np.median(taken))
        first = seconds.get(("1 devices", name), taken)
        work = works[group, name]
        rows.append(
            {"scaling": name.split(":")[0], "measured": name.split(": ")[1], "on": group.split()[1],
             "n": work.devices, **quartiles(taken), "of one": middle / float(np.median(first)),
             "busy": work.busy, "moved": work.moved, "work": asdict(work)}
        )  # fmt: skip
    rows.sort(key=lambda row: (row["scaling"], row["measured"], row["on"], row["n"]))
    order = {(row["on"], row["n"], row["measured"]): row for row in rows}
    given = [works[group, name] for group, name in seconds], [group.split()[1] for group, _ in seconds]
    medians = [float(np.median(taken)) for taken in seconds.values()]
    costs = fitted(*given, medians, cores)
    for (group, name), error in zip(seconds, errors(*given, medians, costs, cores), strict=True):
        order[group.split()[1], works[group, name].devices, name.split(": ")[1]]["error"] = error
    return rows, claim, costs


def places(costs: Mapping[str, Costs]) -> list[Place]:
    """Where to extrapolate to: GPUs by their makers' figures, about half of them, and hosts as fitted here."""
    host = costs["devices"]
    cores = os.cpu_count() or 1
    rate, bandwidth = (cores / cost if cost else float("inf") for cost in (host.operation, host.byte))
    return [
        Place("8 GPUs in a host", 8, 3e13, 2e12, 1e-5, 2e11),
        Place("256 GPUs, 32 hosts", 256, 3e13, 2e12, 2e-5, 2.5e10),
        Place("4,096 hosts like this", 4096, rate, bandwidth, 5e-5, 1.25e9),
    ]


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The measured rows for the README: milliseconds, and in brackets the model's relative error."""
    heads = list(dict.fromkeys((row["on"], row["n"]) for row in rows))
    lines = ["| measured | " + " | ".join(_named(*head) for head in heads) + " |", "|---" + "|---:" * len(heads) + "|"]
    for scaling, name in dict.fromkeys((row["scaling"], row["measured"]) for row in rows):
        own = {(r["on"], r["n"]): r for r in rows if (r["scaling"], r["measured"]) == (scaling, name)}
        shown = [own[head] for head in heads]
        cells = [f"{1e3 * row['median']:.3g} ({row['error']:+.0%})" for row in shown]
        lines.append(f"| {scaling}: {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def markdown_extrapolated(rows: Sequence[Mapping[str, Any]]) -> str:
    """The extrapolated rows for the README, each with what is assumed in it."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|---|---" + "|---:" * (len(names) - 2) + "|"]
    lines += ["| " + " | ".join(_shown(v) for v in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def finding(rows: Sequence[Mapping[str, Any]], claim: Mapping[str, Any]) -> str:
    """How far the model is off, and what the second device brings."""
    off = [abs(row["error"]) for row in rows]
    one, two = (1e3 * claim[name]["median"] for name in ("one device", "two devices"))
    ratio = claim["two_of_one"]
    verdict = (
        "faster" if ratio["quartile_3"] < 1 else "slower" if ratio["quartile_1"] > 1 else "neither sooner nor later"
    )
    return (
        f"the model is off by {np.median(off):.0%} in the median and by {max(off):.0%} at most; an epoch of MNIST at "
        f"batch {claim['batch']} takes {one:.0f} ms on one device and {two:.0f} ms on two, {verdict}: the "
        f"quartiles of the rounds' ratios are {ratio['quartile_1']:.2f} and {ratio['quartile_3']:.2f}"
    )


def _shown(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:.3g}"


def _named(on: str, count: int) -> str:
    return f"{count} {on if count > 1 else {'devices': 'device', 'processes': 'process'}[on]}, ms"


def main() -> None:
    """Measure, print both tables, keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small and once, to see that it runs; keeps nothing")
    parser.add_argument("--rounds", type=int, default=9, help="default: 9")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where scaling.json goes")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    rows, claim, costs = measured(1 if given.smoke else given.rounds, given.smoke)
    shown = ("scaling", "measured", "on", "n", "busy", "moved")
    print("Measured:")
    print(table([{**{key: row[key] for key in shown}, "ms": 1e3 * row["median"], "of one": row["of one"],
                  "model off by": row["error"]} for row in rows]))  # fmt: skip
    print("Fitted, in seconds:")
    print(table([{"on": on, **asdict(cost)} for on, cost in costs.items()]))
    beyond = extrapolated(places(costs))
    print("Extrapolated, not measured, from what is assumed of these places:")
    print(table(beyond))
    said = finding(rows, claim)
    print(said)
    if not given.smoke:
        beside = f"other load, {load:.2f} before it began" if load >= 1 else "nothing"
        result = {
            "machine": machine(), "beside": beside, "finding": said, "rows": rows, "epoch": claim,
            "fitted": {on: asdict(cost) for on, cost in costs.items()}, "extrapolated": beyond,
        }  # fmt: skip
        print("kept in", keep("scaling", result, given.out))


if __name__ == "__main__":
    main()
