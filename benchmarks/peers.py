"""The checker on about a thousand derivative rules that others wrote and that are right: does it agree?

Whatever is not AGREE is the checker's fault, or a fault of the peer that nobody knew. Each item is asked by itself;
seconds are those of its check, the first one's imports and compiles included, and the processor's beside them, since
on a busy machine the clock counts others' work, too.
"""

import argparse
import importlib.util
import json
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._measure import RESULTS, keep, machine, table
from benchmarks._peers_item import Item
from benchmarks._peers_report import by_source, told
from manual_vs_auto.gradcheck import UsageError, Verdict

SOURCES = ("autograd", "jax", "optax", "torch", "complex")
SMOKE = 100  # one in so many
OFTEN = 10  # answers, after which they are written down


def items(source: str) -> Iterator[Item]:
    """Those of one source. What is complex is kept apart, whoever wrote it."""
    if source == "jax":
        from benchmarks._peers_jax import jax_items

        yield from jax_items()
    elif source == "optax":
        from benchmarks._peers_optax import optax_items

        yield from optax_items()
    elif source == "autograd":
        from benchmarks._peers_autograd import autograd_items

        yield from autograd_items()
    elif source == "torch":
        from benchmarks._peers_torch import torch_items

        yield from torch_items()
    else:
        from benchmarks._peers_jax import complex_items

        yield from complex_items()
        if absent("autograd") is None:
            from benchmarks._peers_autograd import autograd_complex

            yield from autograd_complex()
        if absent("torch") is None:
            from benchmarks._peers_torch import torch_complex

            yield from torch_complex()


def absent(source: str) -> str | None:
    """Why a source can't be asked, or None."""
    packages = {"autograd": ("autograd", "scipy"), "torch": ("torch",)}.get(source, ())
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    return f"{', '.join(missing)} not installed" if missing else None


def answer(item: Item) -> dict[str, Any]:
    """What the checker says of one item, in how many seconds; its report in full where it does not agree."""
    found: dict[str, Any] = {"source": item.source, "name": item.name, "form": item.form}
    report, start, worked = None, time.perf_counter(), time.process_time()
    try:
        report = item.check()
        found["verdict"] = str(report.verdict)
    except UsageError as refusal:
        found.update(verdict="refused", text=str(refusal))
    except Exception:
        found.update(verdict="traceback", text=traceback.format_exc())
    found.update(seconds=time.perf_counter() - start, cpu_seconds=time.process_time() - worked)
    if report is not None and report.verdict is not Verdict.AGREE:
        marks = [mark for mark in report.leaves if mark.verdict is not Verdict.AGREE]
        found["leaves"] = [{"name": mark.name, "why": mark.why} for mark in marks]
        found["hidden"] = report.hidden
        found["text"] = str(report)
    return found


def drawn(asked: argparse.Namespace) -> tuple[list[Item], dict[str, str]]:
    """The items that were asked for, and which sources are absent.

    The order is drawn, always the same, so that what an interrupted run has done is a random sample of the whole.
    """
    sources = SOURCES if asked.only is None else (asked.only,)
    missing = {source: reason for source in sources if (reason := absent(source)) is not None}
    chosen = [item for source in sources if source not in missing for item in items(source)]
    order = np.random.default_rng(0).permutation(len(chosen)).tolist()[:: SMOKE if asked.smoke else 1]
    if asked.again is not None:
        before = json.loads(asked.again.read_text())["answers"]
        agreed = {(a["source"], a["form"], a["name"]) for a in before if a["verdict"] == "AGREE"}
        order = [at for at in order if (chosen[at].source, chosen[at].form, chosen[at].name) not in agreed]
    part, parts = asked.part
    return [chosen[at] for at in order[part - 1 :: parts]], missing


def left(found: Sequence[dict[str, Any]], on: dict[str, Any], asked: argparse.Namespace) -> Path:
    """Write what has come so far as JSON, and what is to be read of it as Markdown beside it."""
    name = "peers" if asked.part[1] == 1 else f"peers-{asked.part[0]}-of-{asked.part[1]}"
    path = keep(name, {"machine": on, "rows": by_source(found), "answers": list(found)}, asked.out)
    path.with_suffix(".md").write_text(told(found))
    return path


def _part(text: str) -> tuple[int, int]:
    part, parts = map(int, text.split("/"))
    if not 1 <= part <= parts:
        raise ValueError(text)
    return part, parts


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", choices=SOURCES, help="one source")
    parser.add_argument("--part", type=_part, default=(1, 1), help="i/n: every nth item from the ith on")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where peers.json is left")
    parser.add_argument("--smoke", action="store_true", help="a few items, nothing kept: does it run?")
    parser.add_argument("--again", type=Path, help="only what is not AGREE in this file")
    parser.add_argument("--join", type=Path, nargs="+", help="tell of these files instead, the parts of one run")
    asked = parser.parse_args(argv)
    if asked.join:
        parts = [json.loads(path.read_text()) for path in asked.join]
        found = [answer for part in parts for answer in part["answers"]]
        on = parts[0]["machine"]
    else:
        chosen, missing = drawn(asked)
        for source, reason in missing.items():
            print(f"{source}: absent ({reason})")
        found, on = [], machine()
        for item in chosen:
            found.append(one := answer(item))
            print(
                f"{one['verdict']:12} {one['seconds']:6.2f} s  {one['source']}  {one['form']}  {one['name']}",
                flush=True,
            )
            if not asked.smoke and len(found) % OFTEN == 0:
                left(found, on, asked)
    print(table(by_source(found)))
    if not asked.smoke:
        print("kept in", left(found, on, asked))


if __name__ == "__main__":
    main()
