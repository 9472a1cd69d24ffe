"""Which files are a data set, by the names that people find them under."""

from pathlib import Path

import numpy as np
import pytest

from manual_vs_auto.data import load
from tests.data.outcome import refusal
from tests.data.test_idx import check_good
from tests.data.writing import GOOD, IDX_NAMES, TRAIN_IMAGES, Array, idx, npy, npz, write_idx

KMNIST = {"x_train": "train-imgs", "y_train": "train-labels", "x_test": "test-imgs", "y_test": "test-labels"}
MEDMNIST = {"x_train": "train_images", "y_train": "train_labels", "x_test": "test_images", "y_test": "test_labels"}
GARBAGE = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(50)  # how AppleDouble begins


def saved(path: Path, **arrays: Array) -> Path:
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def write_kmnist(directory: Path, prefix: str = "kmnist-") -> Path:
    for key, name in KMNIST.items():
        saved(directory / f"{prefix}{name}.npz", arr_0=GOOD[key])
    return directory


def write_medmnist(path: Path, **more: Array) -> Path:
    columns = {key: array.reshape(-1, 1) if key.startswith("y") else array for key, array in GOOD.items()}
    return saved(path, **{MEDMNIST[key]: array for key, array in columns.items()}, **more)


def test_archives_of_kmnist(tmp_path: Path) -> None:
    check_good(load(write_kmnist(tmp_path)))
    check_good(load(tmp_path / "kmnist"))


def test_idx_files_of_kmnist_beside_its_archives_and_those_of_49_classes(tmp_path: Path) -> None:
    """Whoever downloads all has three sets in one directory; MNIST's plain names win, and the others have a prefix."""
    write_idx(tmp_path)
    write_kmnist(tmp_path, "k49-")
    for key, name in KMNIST.items():
        images = GOOD[key] if key.startswith("y") else 255 - GOOD[key]
        saved(tmp_path / f"kmnist-{name}.npz", arr_0=images)
    (tmp_path / "kmnist_classmap.csv").write_text("index,codepoint,char\n")
    check_good(load(tmp_path))
    check_good(load(tmp_path / "k49"))
    assert load(tmp_path / "kmnist").train_images[0, 0] == 255


def test_archives_and_idx_files_may_be_mixed(tmp_path: Path) -> None:
    write_kmnist(tmp_path, "")
    (tmp_path / "train-labels.npz").unlink()
    (tmp_path / IDX_NAMES["y_train"]).write_bytes(idx(GOOD["y_train"]))
    check_good(load(tmp_path))


def test_two_files_for_one_part_are_refused(tmp_path: Path) -> None:
    write_kmnist(tmp_path, "")
    (tmp_path / TRAIN_IMAGES).write_bytes(idx(GOOD["x_train"]))
    said = refusal(tmp_path)
    assert f"found {TRAIN_IMAGES} and train-imgs.npz; expected one of them" in said


def test_a_broken_archive_of_kmnist_is_named(tmp_path: Path) -> None:
    write_kmnist(tmp_path)
    (tmp_path / "kmnist-test-imgs.npz").write_bytes(b"404 Not Found")
    assert f"{tmp_path}/kmnist-test-imgs.npz: found no zip archive" in refusal(tmp_path)
    saved(tmp_path / "kmnist-test-imgs.npz", arr_0=GOOD["x_test"], arr_1=GOOD["x_test"])
    assert "kmnist-test-imgs.npz: found an archive of arr_0, arr_1; expected one array alone" in refusal(tmp_path)
    saved(tmp_path / "kmnist-test-imgs.npz", arr_0=GOOD["x_train"])
    assert "kmnist-test-labels.npz[arr_0]: found 4 labels; expected 6, one an image" in refusal(tmp_path)


def test_an_archive_of_medmnist(tmp_path: Path) -> None:
    check_good(load(write_medmnist(tmp_path / "bloodmnist.npz")))


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    validation = {"val_images": GOOD["x_test"], "val_labels": GOOD["y_test"]}
    data = load(write_medmnist(tmp_path / "set.npz", **validation))
    check_good(data)
    assert data.warnings == (f"{tmp_path}/set.npz: not used: val_images, val_labels",)


@pytest.mark.parametrize(
    "names", [("a", "b", "c", "d"), ("arr_0", "arr_1", "arr_2", "arr_3"), ("x y", "é", "..", "A/B")]
)
def test_keys_that_are_named(names: tuple[str, ...], tmp_path: Path) -> None:
    path = saved(tmp_path / "set.npz", **dict(zip(names, GOOD.values(), strict=True)), x_train=np.zeros(3))
    data = load(path, npz_keys=names)
    check_good(data)
    assert data.warnings == (f"{path}: not used: x_train",)


def test_keys_that_are_not_there(tmp_path: Path) -> None:
    path = saved(tmp_path / "set.npz", images=GOOD["x_train"], labels=GOOD["y_train"])
    known = "x_train, y_train, x_test, y_test, or train_images, train_labels, test_images, test_labels"
    assert f"found an archive of images, labels; expected {known}, or other keys, named by --npz-keys" in refusal(path)
    with pytest.raises(ValueError, match=r"found an archive of images, labels; expected also x, y$"):
        load(path, npz_keys=("images", "labels", "x", "y"))


def test_what_is_not_used_is_said_in_one_line(tmp_path: Path) -> None:
    path = saved(tmp_path / "two\nlines.npz", **GOOD, **{f"a\nb{number:02}": np.zeros(1) for number in range(99)})
    (said,) = load(path).warnings
    assert "two\\nlines.npz: not used: a\\nb00, a\\nb01" in said
    assert said.endswith("a\\nb11, ...")


def test_one_key_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(npz({"y_test": None}))
    assert "found an archive of x_test, x_train, y_train; expected also y_test" in refusal(path)


def test_many_keys_are_not_all_listed(tmp_path: Path) -> None:
    path = saved(tmp_path / "set.npz", **{f"key{number:02}": np.zeros(1) for number in range(13)})
    assert "key10, key11, ...; expected" in refusal(path)


def test_keys_for_what_has_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"found no \.npz archive; expected one, since its keys are named"):
        load(write_idx(tmp_path), npz_keys=("a", "b", "c", "d"))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = saved(tmp_path / "set.npz", **(GOOD | {"y_train": np.array(["a", "b"] * 3, object)}))
    said = refusal(path)
    assert "[y_train]: found objects, which only unpickling reads; expected" in said
    assert "save array.astype(str)" in said


def test_files_of_macos_are_no_second_set(tmp_path: Path) -> None:
    for name in [*IDX_NAMES.values(), "emnist-letters-train-images-idx3-ubyte.gz", "kmnist-test-imgs.npz", "DS_Store"]:
        (tmp_path / f"._{name}").write_bytes(GARBAGE)
    (tmp_path / f".{TRAIN_IMAGES}").write_bytes(GARBAGE)
    assert "found no IDX file" in refusal(tmp_path)
    check_good(load(write_idx(tmp_path)))
    (tmp_path / "__MACOSX").mkdir()
    check_good(load(tmp_path))


def test_files_of_macos_beside_a_set_with_a_prefix(tmp_path: Path) -> None:
    write_kmnist(tmp_path)
    for file in list(tmp_path.iterdir()):
        (tmp_path / f"._{file.name}").write_bytes(GARBAGE)
    check_good(load(tmp_path))
    said = refusal(tmp_path / "._kmnist")
    assert said.endswith(f"or one of the data sets here: {tmp_path}/kmnist")


def test_files_of_macos_in_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(npz({"__MACOSX/._x_train": GARBAGE, "._y_train": GARBAGE, "data/more": npy(GOOD["y_test"])}))
    data = load(path)
    check_good(data)
    assert data.warnings == (f"{path}: not used: data/more",)


def test_a_directory_by_a_files_name_beside_the_file(tmp_path: Path) -> None:
    """As some archives unpack: train-images-idx3-ubyte/ beside train-images.idx3-ubyte."""
    write_idx(tmp_path)
    for name in IDX_NAMES.values():
        (tmp_path / name).rename(tmp_path / name.replace("-idx", ".idx"))
        (tmp_path / name).mkdir()
    check_good(load(tmp_path))
