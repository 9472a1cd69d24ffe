"""TensorBoard's files beside metrics.jsonl: the same numbers, also after what may happen to a run."""

import errno
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from manual_vs_auto.runs.directory import recorded, resumed
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.events import Events, require
from tests.runs.events import expect_the_metrics, points

pytest.importorskip("tensorboardX")
LINES: list[dict[str, Any]] = [
    {"epoch": 1, "loss": 0.5, "stopped": "words"},
    {"epoch": 2, "loss": None, "right": True},
    {"iteration": 1, "l2": 0.1, "objective": 2.5},
    {"iteration": 2, "l2": 0.1, "objective": math.pi},
    {"l2": 0.1, "iterations": 2, "converged": True},
    {"iteration": 1, "l2": 1e-9, "objective": 1e300},
    {"l2": 1e-9, "iterations": 1, "converged": False},
]


def _kept(run: Path, lines: list[dict[str, Any]]) -> None:
    with recorded(run, events=True) as record:
        record.start({}, {})
        record.keep(lines[0], b"")
        record.keep(lines[-1], b"", lines[1:-1])


def test_each_number_is_there_once(tmp_path: Path) -> None:
    _kept(tmp_path, LINES)
    held = points(tmp_path)
    assert held["l2=0.1", "objective", 2] == pytest.approx(math.pi, rel=1e-7)
    assert held[".", "converged", 2] == 0
    assert held["l2=1e-09", "objective", 1] == math.inf, "float32 goes no further"
    assert len(held) == 1 + 1 + 2 * 2 + 3 + 2 + 3


def test_of_a_long_sweep_few_files_are_open(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    for l2 in range(1, 31):
        lines += [{"iteration": 1, "l2": l2, "objective": float(l2)}, {"l2": l2, "iterations": 1}]
    events = Events(tmp_path)
    events.write_anew(lines)
    assert len(events._writers) == 2
    events.close()
    assert {points(tmp_path)[f"l2={l2}", "objective", 1] == l2 for l2 in range(1, 31)} == {True}


def test_a_run_that_goes_on_has_what_is_kept_and_no_more(tmp_path: Path) -> None:
    """Lines that the metrics have lost are lost there too, and half of a record, as of a process that was killed."""
    _kept(tmp_path, LINES[:1] + LINES[2:])
    (half,) = (tmp_path / "tensorboard" / "l2=0.1").iterdir()
    half.write_bytes(half.read_bytes()[:-5])
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    lines = b"".join(whole.splitlines(keepends=True)[:3])
    with resumed(tmp_path, 3, events=True) as found:
        found.record.restore(found.config, lines, b"")
        assert len(expect_the_metrics(tmp_path)) == 1 + 2 * 2
        found.record.keep(LINES[4], b"")
    assert set(points(tmp_path)) == {
        (".", "loss", 1), *((".", name, 1) for name in ("l2", "iterations", "converged")),
        *(("l2=0.1", name, step) for name in ("l2", "objective") for step in (1, 2)),
    }  # fmt: skip


def test_a_new_run_has_no_others(tmp_path: Path) -> None:
    _kept(tmp_path, LINES)
    (tmp_path / "metrics.jsonl").unlink()
    for name in ("config.toml", "model.safetensors"):
        (tmp_path / name).unlink()
    _kept(tmp_path, [{"epoch": 1, "loss": 0.25}, {"epoch": 2, "loss": 0.125}])
    assert points(tmp_path) == {(".", "loss", 1): 0.25, (".", "loss", 2): 0.125}


def test_a_run_that_keeps_nothing_leaves_nothing(tmp_path: Path) -> None:
    with recorded(tmp_path / "run", events=True) as record:
        record.start({}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights and their metrics are kept then, and the run can go on."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    said = f"{tmp_path}: tensorboard can't be written: No space left on device; it keeps the metrics and the weights"
    with recorded(tmp_path, events=True) as record:
        record.start({}, {})
        record.keep(LINES[0], b"1")
        monkeypatch.setattr(Events, "add", full)
        with pytest.raises(UsageError, match=said):
            record.keep(LINES[1], b"2")
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 2
    assert (tmp_path / "model.safetensors").read_bytes() == b"2"


def test_tensorboard_itself_reads_them(tmp_path: Path) -> None:
    """Where it is installed, which takes ten times what the rest takes."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_multiplexer")
    _kept(tmp_path, LINES[2:])
    found = reader.EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "tensorboard")).Reload()
    assert set(found.Runs()) == {".", "l2=0.1", "l2=1e-09"}
    assert [event.value for event in found.Scalars("l2=0.1", "objective")] == pytest.approx([2.5, math.pi])


@pytest.mark.parametrize(
    ("raised", "said"),
    [("ImportError()", "pip install tensorboardX"), ("TypeError('too old\\nand more')", "TypeError: too old$")],
)
def test_a_package_that_is_of_no_use_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: str, said: str
) -> None:
    (tmp_path / "tensorboardX.py").write_text(f"raise {raised}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorboardX", raising=False)
    with pytest.raises(UsageError, match=said):
        require()
