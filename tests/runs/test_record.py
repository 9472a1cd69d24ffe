"""A run's directory: whose it is, what a start that failed leaves, and what a full disk does."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from manual_vs_auto.runs import directory as module
from manual_vs_auto.runs import files
from manual_vs_auto.runs.claim import claim
from manual_vs_auto.runs.directory import recorded
from manual_vs_auto.runs.errors import UsageError
from manual_vs_auto.runs.record import Record

ALL = ["config.toml", "metrics.jsonl", "model.safetensors"]


def held(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def opened(directory: Path) -> AbstractContextManager[Record]:
    return recorded(directory, 3)


def keep(record: Record, step: int) -> None:
    record.keep({"step": step}, str(step).encode())


def kept(directory: Path) -> int | None:
    """The step of the weights, which is the last line's as well; None where there is neither."""
    weights = directory / "model.safetensors"
    with suppress(FileNotFoundError):
        lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
        if lines:
            assert int(weights.read_bytes()) == lines[-1]["step"]
            return int(lines[-1]["step"])
    assert not weights.exists()
    return None


def test_a_run_is_kept_and_not_run_over(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    with opened(out) as record:
        record.start({}, {})
        keep(record, 1)
        keep(record, 2)
    assert (held(out), kept(out)) == (ALL, 2)
    with pytest.raises(UsageError, match=r"holds a run already \(config.toml, metrics.jsonl, model.safetensors\)"):
        opened(out).__enter__()
    assert (held(out), kept(out)) == (ALL, 2)


@pytest.mark.parametrize("moment", ["before its first epoch", "after it"])
def test_a_directory_is_one_run_s(tmp_path: Path, moment: str) -> None:
    with opened(tmp_path / "run") as record:
        record.start({}, {})
        if moment == "after it":
            keep(record, 1)
        with pytest.raises(UsageError, match=r"another run's at this moment|holds a run already"):
            opened(tmp_path / "run").__enter__()
        keep(record, 2 if moment == "after it" else 1)
    assert held(tmp_path / "run") == ALL


def test_a_run_that_ends_while_another_starts_is_not_run_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def after_a_whole_run(path: Path) -> Any:
        monkeypatch.setattr(module, "claim", claim)
        with opened(tmp_path) as record:
            keep(record, 1)
        return claim(path)

    monkeypatch.setattr(module, "claim", after_a_whole_run)
    with pytest.raises(UsageError, match="holds a run already"):
        opened(tmp_path).__enter__()
    assert kept(tmp_path) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_start_that_failed_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    made, there = tmp_path / "deep" / "run", tmp_path / "there"
    there.mkdir()
    (there / "notes.txt").write_text("mine")

    def start(out: Path) -> None:
        with opened(out) as record:
            record.start({}, {})
            raise error

    for out in (made, there):
        with pytest.raises(error):
            start(out)
    assert held(tmp_path) == ["there"]
    assert held(there) == ["notes.txt"]


LEFT = {
    "nothing": {},
    "no more than the lock": {"metrics.jsonl": ""},
    "killed while it compiled": {"metrics.jsonl": "", "config.toml": "{}"},
    "killed while it wrote": {"metrics.jsonl": "", "config.toml": "{}", ".model.safetensors.partial": "half"},
}


@pytest.mark.parametrize("name", LEFT)
def test_what_a_killed_start_leaves_blocks_nobody(tmp_path: Path, name: str) -> None:
    for file, content in LEFT[name].items():
        (tmp_path / file).write_text(content)
    with opened(tmp_path) as record:
        record.start({}, {})
        keep(record, 1)
    assert (held(tmp_path), kept(tmp_path)) == (ALL, 1)


@pytest.mark.parametrize("name", LEFT)
def test_what_a_killed_start_leaves_goes_with_the_next_that_fails(tmp_path: Path, name: str) -> None:
    for file, content in LEFT[name].items():
        (tmp_path / file).write_text(content)
    with pytest.raises(ZeroDivisionError), opened(tmp_path):
        _ = 1 / 0
    assert held(tmp_path) == []


@pytest.mark.parametrize(
    ("there", "named"),
    [
        ({"config.toml": "{}"}, "config.toml"),  # another program's, perhaps
        ({"metrics.jsonl": '{"step": 1}\n'}, "metrics.jsonl"),
        ({"metrics.jsonl": "", "model.safetensors": ""}, "metrics.jsonl, model.safetensors"),
        ({"model.safetensors": ""}, "model.safetensors"),
    ],
)
def test_what_else_is_there_is_left_alone(tmp_path: Path, there: dict[str, str], named: str) -> None:
    for file, content in there.items():
        (tmp_path / file).write_text(content)
    with pytest.raises(UsageError, match=rf"holds a run already \({named}\)"):
        opened(tmp_path).__enter__()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == there


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_metrics_that_are_no_file_are_refused(tmp_path: Path) -> None:
    """Though a pipe is as empty as a start that was interrupted: to open it would wait for a reader."""
    os.mkfifo(tmp_path / "metrics.jsonl")
    with pytest.raises(UsageError, match="holds a run already"):
        module._expect_none(tmp_path, ["metrics.jsonl"])


def test_a_directory_that_cannot_be_made_leaves_no_parents(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be written: File name too long"):
        opened(tmp_path / "parent" / ("a" * 300)).__enter__()
    assert held(tmp_path) == []


@contextmanager
def full_for(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """A disk that takes half of what is written to this file."""
    append = files.append

    def half(file: int, content: bytes) -> None:
        if content.startswith(b"{") != (name == "metrics.jsonl"):
            return append(file, content)
        append(file, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    def replaced(path: Path, _: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if name == "the directory":
            patch.setattr(Path, "replace", replaced)
        else:
            patch.setattr(files, "append", half)
        yield


@pytest.mark.parametrize("name", ["metrics.jsonl", "model.safetensors", "the directory"])
def test_a_full_disk_keeps_the_epoch_before(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = "model.safetensors" if name == "the directory" else name
    with opened(tmp_path / "run") as record:
        record.start({}, {})
        keep(record, 1)
        with (
            full_for(monkeypatch, name),
            pytest.raises(UsageError, match=f"run: {file} can't be written: No space left on device; it keeps what"),
        ):
            keep(record, 2)
        assert (held(tmp_path / "run"), kept(tmp_path / "run")) == (ALL, 1)
        keep(record, 2)  # there is room again
    assert (held(tmp_path / "run"), kept(tmp_path / "run")) == (ALL, 2)


@pytest.mark.parametrize("name", ["metrics.jsonl", "model.safetensors", "the directory"])
def test_a_disk_that_is_full_from_the_start_leaves_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:

    def start() -> None:
        with opened(tmp_path / "run") as record:
            record.start({}, {})
            with full_for(monkeypatch, name):
                keep(record, 1)

    with pytest.raises(UsageError, match="it keeps nothing"):
        start()
    assert held(tmp_path) == []


def test_a_config_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "append", full)
    with (
        pytest.raises(UsageError, match=r"config.toml can't be written: No space left on device; it keeps nothing"),
        opened(tmp_path / "run") as record,
    ):
        record.start({}, {})
    assert held(tmp_path) == []


def test_a_short_write_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system call may take less than it is given."""
    taken = bytearray()

    def slow(_: int, content: bytes) -> int:
        taken.extend(content[:3])
        return len(content[:3])

    monkeypatch.setattr(os, "write", slow)
    files.append(99, b"0123456789\n")
    assert taken == b"0123456789\n"


@pytest.mark.parametrize("moment", ["write", "append", "replace"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_ctrl_c_between_the_two_files(tmp_path: Path, moment: str, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and metrics are of the same step wherever it comes."""
    owner: Any = Path if moment == "replace" else files
    call = getattr(owner, moment)

    def interrupted(*arguments: Any) -> None:
        if when == "after":
            call(*arguments)
        raise KeyboardInterrupt

    with opened(tmp_path) as record:
        record.start({}, {})
        keep(record, 1)
        with monkeypatch.context() as patch:
            patch.setattr(owner, moment, interrupted)
            with pytest.raises(KeyboardInterrupt):
                keep(record, 2)
        assert kept(tmp_path) == (2 if (moment, when) == ("replace", "after") else 1)
        assert held(tmp_path) == ALL
