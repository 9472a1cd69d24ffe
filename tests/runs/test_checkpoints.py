"""Checkpoints by the library: every bit comes back, what goes wrong is the system's word, and little time is taken."""

import errno
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from manual_vs_auto.runs import arrays, checkpoints, files
from manual_vs_auto.runs.checkpoints import Checkpoints, Snapshot
from manual_vs_auto.runs.directory import recorded
from manual_vs_auto.runs.errors import UsageError
from tests.runs.simulated import expect_as_it_was, plainly, state


def snapshot(number: int) -> Snapshot:
    return Snapshot(number, state(number), {"tally": number}, b"{}\n" * number, b"epochs = 9\n")


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_every_bit_comes_back(tmp_path: Path) -> None:
    """Also of what compares as equal, or as nothing: -0.0 and the payloads of NaN."""
    odd = np.array([0.0, -0.0, np.nan, np.inf, 5e-324])
    odd.view(np.uint64)[2] |= 5
    held = {
        "params.weight": odd,
        "optimizer[0].mu.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "optimizer[0].count": np.array(7, np.int32),
        "flags": np.array([True, False]),
        "half": np.array([1.5, -2], ml_dtypes.bfloat16),
    }
    arrays.save(tmp_path / "arrays", held)
    found = arrays.load(tmp_path / "arrays")
    assert found.keys() == held.keys()
    for name, array in held.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "checkpoints", 3)
    kept.offer(snapshot(1), best=True)
    found, damaged = Checkpoints(tmp_path / "checkpoints", 3).last_whole()
    assert found
    expect_as_it_was(1, found.arrays)
    assert (found.number, found.about, damaged) == (1, {"tally": 1}, [])
    assert (found.metrics, found.config) == (b"{}\n", b"epochs = 9\n")
    assert names(tmp_path / "checkpoints" / "000001") == [
        "SHA256SUMS", "about.json", "arrays", "config.toml", "metrics.jsonl",
    ]  # fmt: skip


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="there is no sha256sum here")
def test_anybody_can_check_the_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plainly(monkeypatch)
    Checkpoints(tmp_path, 1).offer(snapshot(1), best=True)
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path / "000001", check=False, capture_output=True).returncode == 0
    (tmp_path / "000001" / "about.json").write_text("{}")
    assert subprocess.run(check, cwd=tmp_path / "000001", check=False, capture_output=True).returncode == 1


def test_the_last_few_and_the_best_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plainly(monkeypatch)
    kept = Checkpoints(tmp_path, 2)
    for number, best in enumerate([True, True, False, False, False, False], 1):
        kept.offer(snapshot(number), best)
    assert names(tmp_path) == ["000002", "000005", "000006"]


def test_a_run_that_goes_on_knows_its_best_and_leaves_nothing_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plainly(monkeypatch)
    before = Checkpoints(tmp_path, 9)
    for number in range(1, 7):
        before.offer(snapshot(number), best=number == 2)
    (tmp_path / "000006" / "about.json").write_text("{}")
    kept = Checkpoints(tmp_path, 1)
    found, damaged = kept.last_whole()
    assert found
    assert (found.number, damaged) == (5, [6])
    kept.go_on(4, best=2)  # as if the fifth were damaged, too
    assert names(tmp_path) == ["000002", "000004", "000005", "000006"]
    kept.offer(snapshot(5), best=False)
    assert names(tmp_path) == ["000002", "000005"]


def test_what_takes_long_is_done_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save of a second in epochs of a second: one in ten. The best, and the last, are written all the same."""
    now = [0.0]
    plainly(monkeypatch)
    monkeypatch.setattr(checkpoints, "_SHARE", 0.1)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    publish, saved = files.publish, []

    def slow(directory: Path) -> None:
        now[0] += 1
        saved.append(int(directory.name))
        publish(directory)

    monkeypatch.setattr(files, "publish", slow)
    kept = Checkpoints(tmp_path, 9)
    for number in range(1, 26):
        now[0] += 1
        kept.offer(snapshot(number), best=number == 20)
    assert saved == [1, 11, 20, 21]  # the best with the next
    kept.flush()
    kept.flush()
    assert saved[4:] == [25]


FULL = "OUT_OF_RANGE: Error writing \"x\": Failed to write 85 bytes to file 11: No space left [os_error_code='28']"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError(FULL), errno.ENOSPC),
        (RuntimeError("odd"), errno.EIO),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), errno.EDQUOT),
    ],
)
def test_what_goes_wrong_is_the_system_s_word(
    tmp_path: Path, error: Exception, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def save(self, directory: Path, *_: Any) -> None:
            directory.mkdir()
            raise error

    monkeypatch.setattr(arrays, "ready", Failing)
    with pytest.raises(OSError, match=os.strerror(told)) as caught:
        arrays.save(tmp_path / "arrays", state(1))
    assert caught.value.errno == told


@pytest.mark.parametrize("at", ["arrays", "about.json", "SHA256SUMS"])
def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plainly(monkeypatch)
    write, save = files.write, arrays.save

    def full(path: Path, content: bytes) -> None:
        if path.name == at:
            write(path, content[:5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content)

    def full_arrays(directory: Path, content: Any) -> None:
        save(directory, content)
        if at == "arrays":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with recorded(tmp_path / "run") as record:
        record.start({}, {})
        record.keep({"epoch": 1}, b"weights")
        record.snapshot(1, state(1), {}, True)
        with monkeypatch.context() as patch:
            patch.setattr(files, "write", full)
            patch.setattr(arrays, "save", full_arrays)
            expected = "checkpoints can't be written: No space left on device; it keeps the checkpoint 000001"
            with pytest.raises(UsageError, match=expected):
                record.snapshot(2, state(2), {}, True)
            assert names(tmp_path / "run" / "checkpoints") == ["000001"]
    # There is room again: what waits is written when the directory is left.
    assert names(tmp_path / "run" / "checkpoints") == ["000001", "000002"]


def test_a_directory_that_is_deleted_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And does not come back."""
    plainly(monkeypatch)

    def run() -> None:
        with recorded(tmp_path / "run") as record:
            record.start({}, {})
            record.keep({"epoch": 1}, b"weights")
            record.snapshot(1, state(1), {}, True)
            shutil.rmtree(tmp_path / "run")
            record.keep({"epoch": 2}, b"weights")

    with pytest.raises(UsageError, match=r"model.safetensors can't be written: No such file or directory; it keeps no"):
        run()
    assert list(tmp_path.iterdir()) == []


def test_the_digest_of_data() -> None:
    """Of names, dtypes, shapes and elements, in any memory."""
    images = np.arange(24, dtype=np.uint8).reshape(4, 6)
    lines = b"images |u1 (4, 6)\n" + bytes(range(24))
    assert arrays.digest({"images": images}) == hashlib.sha256(lines).hexdigest()
    apart = np.zeros((4, 12), np.uint8)
    apart[:, ::2] = images
    assert arrays.digest({"images": apart[:, ::2]}) == arrays.digest({"images": images})
    others = [images.T, images.reshape(6, 4), images.view(np.int8), images + np.eye(4, 6, dtype=np.uint8)]
    digests = {arrays.digest({"images": other}) for other in others}
    assert len(digests | {arrays.digest({"labels": images}), arrays.digest({"images": images})}) == 6


def test_the_digest_is_the_same_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.arange(24, dtype=np.float32).reshape(8, 3)
    whole = arrays.digest({"images": images})
    monkeypatch.setattr(arrays, "_PIECE", 25)
    assert arrays.digest({"images": images}) == whole
