"""Nothing is lost: a run that crashes anywhere, or whose files are damaged, ends as one that never stopped."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from manual_vs_auto.runs import files, origin
from manual_vs_auto.runs.directory import resumed
from manual_vs_auto.runs.errors import UsageError
from tests.runs.simulated import (
    EPOCHS,
    Crash,
    crash_at,
    expect_as_it_was,
    left,
    metrics,
    plainly,
    put_back,
    run,
    weights,
)


@pytest.fixture(autouse=True)
def _plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    plainly(monkeypatch)


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """What a run leaves that never stops."""
    run(tmp_path / "whole")
    return left(tmp_path / "whole")


def test_a_run_leaves_the_last_two_and_the_best(whole: dict[str, bytes]) -> None:
    kept = {name.split("/")[1] for name in whole if name.startswith("checkpoints/")}
    assert kept == {"000002", "000003"}
    assert whole["model.safetensors"] == weights(EPOCHS)
    assert whole["metrics.jsonl"].count(b"\n") == EPOCHS


def test_a_crash_at_every_operation_of_a_run(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is on the disk then, the run goes on from it, and leaves the same bytes."""
    operation, crashed, asked = 0, True, None
    while crashed:
        operation += 1
        directory = tmp_path / str(operation)
        with monkeypatch.context() as patch:
            asked = crash_at(patch, operation)
            try:
                run(directory)
                crashed = False
            except Crash:
                pass
        assert run(directory) in ([], ["there is nothing in checkpoints: the run begins anew"])
        assert left(directory) == whole, operation
        shutil.rmtree(directory)
    assert asked
    assert asked() == operation - 1 > 70


def test_a_crash_at_every_operation_of_a_resume(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that has damage to mend: the last checkpoint, the metrics and the weights."""
    damaged = tmp_path / "damaged"
    shutil.copytree(tmp_path / "whole", damaged)
    for name in ("checkpoints/000003/metrics.jsonl", "metrics.jsonl", "model.safetensors"):
        (damaged / name).write_bytes(b"{}")
    operation, crashed = 0, True
    while crashed:
        operation += 1
        directory = tmp_path / str(operation)
        shutil.copytree(damaged, directory)
        with monkeypatch.context() as patch:
            crash_at(patch, operation)
            try:
                run(directory)
                crashed = False
            except Crash:
                pass
        run(directory)
        assert left(directory) == whole, operation
        shutil.rmtree(directory)
    assert operation > 30


def _mutated(directory: Path, generator: random.Random) -> str:
    """Damage one file of a run. Returns what was done."""
    path = generator.choice(sorted(path for path in directory.rglob("*") if path.is_file()))
    content = bytearray(path.read_bytes())
    at = generator.randrange(len(content))
    kind = generator.choice(["flipped", "flipped", "flipped", "cut", "removed", "longer", "another's", "renamed"])
    if kind == "flipped":
        content[at] ^= 1 << generator.randrange(8)
    elif kind == "cut":
        del content[at:]
    elif kind == "longer":
        content[at:at] = generator.randbytes(3)
    elif kind == "another's":
        other = generator.choice(sorted(path for path in directory.rglob("*") if path.is_file()))
        content = bytearray(other.read_bytes())
    path.write_bytes(content)
    if kind == "removed":
        path.unlink()
    elif kind == "renamed":
        path.rename(path.with_name(path.name + "x"))
    return f"{path.relative_to(directory)} {kind} at {at}"


@pytest.mark.parametrize("mutations", [300, pytest.param(2000, marks=pytest.mark.whole)])
def test_nothing_different_is_loaded_in_silence(tmp_path: Path, whole: dict[str, bytes], mutations: int) -> None:
    """Whatever is damaged: the run ends with the same bytes, and has said what it could not use; or it is refused."""
    generator, refused, fell_back = random.Random(0), list[str](), 0
    directory = tmp_path / "whole"
    for _ in range(mutations):
        done = _mutated(directory, generator)
        try:
            with resumed(directory, 2) as found:
                assert found.snapshot, done
                number = found.snapshot.number
                expect_as_it_was(number, found.snapshot.arrays)
                assert found.snapshot.about == {"tally": number}, done
                assert (number == EPOCHS) or any("damaged" in line for line in found.said), done
                fell_back += number < EPOCHS
            run(directory)
            now = left(directory)
            lost = [name for name, content in whole.items() if now.get(name) != content]
            assert all(name.startswith("checkpoints/000002/") for name in lost), done  # which nobody has read
        except UsageError:
            refused.append(done)
        put_back(directory, whole)
    assert all(done.startswith("config.toml ") for done in refused)
    assert refused
    assert fell_back > mutations // 10


def test_what_was_damaged_is_said_in_a_line(tmp_path: Path, whole: dict[str, bytes]) -> None:
    directory = tmp_path / "whole"
    (directory / "metrics.jsonl").write_text("nonsense\n")
    (directory / "config.toml").write_bytes(b"\xff")
    (directory / "checkpoints" / "000003" / "about.json").write_text("{}")
    assert run(directory) == [
        "config.toml was damaged: it is restored from checkpoints",
        "damaged, so not used: checkpoints/000003; the run goes on after 2",
        "metrics.jsonl was damaged: its lines are restored from checkpoints",
    ]
    assert left(directory) == whole
    assert run(directory) == []


def test_a_run_of_which_nothing_is_whole_begins_anew(tmp_path: Path, whole: dict[str, bytes]) -> None:
    directory = tmp_path / "whole"
    for path in (directory / "checkpoints").iterdir():
        (path / "SHA256SUMS").unlink()
    assert run(directory) == ["damaged, so not used: checkpoints/000003, 000002; the run begins anew"]
    assert left(directory) == whole


REFUSED: dict[str, tuple[Callable[[str], str], str]] = {
    "changed": (lambda text: text.replace("epochs = 3", "epochs = 9"), "has been changed: epochs is 9 and was 3"),
    "a key more": (lambda text: "seed = 1\n" + text, "has been changed: seed is 1 and was nothing"),
    "a key less": (lambda text: text.replace("epochs = 3", ""), "has been changed: epochs is nothing and was 3"),
    "a text": (lambda text: text.replace("= 3", '= "3"'), "has been changed: epochs is 3 and was 3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_configuration_that_was_changed_is_refused(tmp_path: Path, whole: dict[str, bytes], name: str) -> None:
    change, expected = REFUSED[name]
    path = tmp_path / "whole" / "config.toml"
    path.write_text(change(path.read_text()))
    before = left(tmp_path / "whole")
    with pytest.raises(UsageError, match=expected):
        run(tmp_path / "whole")
    assert left(tmp_path / "whole") == before


def test_the_configuration_of_another_run_is_refused(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Though it is sealed."""
    (tmp_path / "whole" / "config.toml").write_bytes(origin.text({"epochs": 9}, {"command": "simulated"}))
    with pytest.raises(UsageError, match="has been changed: epochs is 9 and was 3"):
        run(tmp_path / "whole")


def test_what_is_removed_loses_its_name_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash leaves all of it, or nothing under its name."""
    operation, crashed, directory = 0, True, tmp_path / "000001"
    while crashed:
        operation += 1
        directory.mkdir()
        for name in ("a", "b"):
            (directory / name).touch()
        with monkeypatch.context() as patch:
            crash_at(patch, operation)
            try:
                files.remove(directory)
                crashed = False
            except Crash:
                pass
        assert not directory.exists() or sorted(path.name for path in directory.iterdir()) == ["a", "b"]
        shutil.rmtree(directory, ignore_errors=True)
        files.remove_nameless(tmp_path)
        assert list(tmp_path.iterdir()) == []
    assert operation > 3


def test_a_changed_configuration_without_a_checkpoint_is_refused(tmp_path: Path, whole: dict[str, bytes]) -> None:
    shutil.rmtree(tmp_path / "whole" / "checkpoints")
    path = tmp_path / "whole" / "config.toml"
    path.write_text(path.read_text().replace("epochs = 3", "epochs = 9"))
    with pytest.raises(UsageError, match="is not as it was written, and no checkpoint is whole"):
        run(tmp_path / "whole")


def test_metrics_have_all_their_lines_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Also where a line is of a step that no checkpoint has reached."""
    with (tmp_path / "whole" / "metrics.jsonl").open("a") as file:
        file.write(str(metrics(EPOCHS)) + "\n")
    assert run(tmp_path / "whole") == []
    assert left(tmp_path / "whole") == whole
