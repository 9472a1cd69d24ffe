"""One holder at a time, whatever became of the one before."""

import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import pytest

from manual_vs_auto.runs import claim as module
from manual_vs_auto.runs.claim import claim


def test_one_of_two_has_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with claim(path) as mine:
        mine.write(b"mine")
        with pytest.raises(BlockingIOError):
            claim(path)
    with claim(path) as next_one:
        next_one.write(b" and theirs")
    assert path.read_bytes() == b"mine and theirs"


def test_of_many_at_the_same_instant_one_has_it(tmp_path: Path) -> None:
    start, end, held, refused = Barrier(8), Barrier(8), [], []

    def take() -> None:
        start.wait()
        try:
            held.append(claim(tmp_path / "new" / "file"))
        except BlockingIOError:
            refused.append(1)
        end.wait()

    threads = [Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 7)
    held[0].close()


def test_a_file_that_its_holder_removes_is_not_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened while another had it, locked when that one had removed it: the lock is on a file that nobody sees."""
    path, lock, tries = tmp_path / "run" / "file", module._lock, []

    def removed_first(file: object) -> None:
        tries.append(file)
        if len(tries) == 1:
            path.unlink()
            path.parent.rmdir()
        lock(file)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_lock", removed_first)
    with claim(path) as mine:
        mine.write(b"seen")
    assert len(tries) == 2
    assert path.read_bytes() == b"seen"


def test_a_removed_and_made_again_file_is_not_claimed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lock, tries = tmp_path / "file", module._lock, []

    def made_again_first(file: object) -> None:
        tries.append(file)
        if len(tries) == 1:
            path.rename(tmp_path / "was")
            path.write_bytes(b"new ")
        lock(file)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_lock", made_again_first)
    with claim(path) as mine:
        mine.write(b"seen")
    assert path.read_bytes() == b"new seen"


def test_it_dies_with_its_process(tmp_path: Path) -> None:
    """A process that is killed, and cannot clean up."""
    path = tmp_path / "file"
    code = f"""
import pathlib, sys
from manual_vs_auto.runs.claim import claim
held = claim(pathlib.Path({str(path)!r}))
print("held", flush=True)
sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError):
            claim(path)
        holder.kill()
    claim(path).close()
