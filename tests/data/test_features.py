"""Files of features and labels: each format gives the same numbers, mapped where it can be, or one line."""

import sys
import tracemalloc
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from manual_vs_auto.data import DataError
from manual_vs_auto.data.features import keys_of, open_features, open_labels, split_key

X = np.random.default_rng(0).normal(size=(7, 3))
Y = np.arange(7) % 3


def write(path: Path, x: Any, y: Any) -> None:
    """Features "x" and labels "y" in the format that the name says."""
    if path.suffix == ".npz":
        np.savez(path, x=x, y=y)
    elif path.suffix == ".safetensors":
        save_file({"x": x, "y": y}, path)
    elif path.suffix in (".parquet", ".arrow"):
        write_table(path, {**{f"f{at}": x[:, at] for at in range(x.shape[1])}, "y": y})


def write_table(path: Path, columns: dict[str, Any], metadata: Any = None) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table(columns).replace_schema_metadata(metadata)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=3)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=3)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.uint8, np.int64])
def test_npy(tmp_path: Path, dtype: Any) -> None:
    x = (10 * np.abs(X)).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    found = open_features(str(tmp_path / "x.npy"))
    assert found.matrix.dtype == dtype
    assert found.mapped
    np.testing.assert_array_equal(found.matrix, x)


@pytest.mark.parametrize("ending", ["npz", "safetensors", "parquet", "arrow"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_archives_and_tables(tmp_path: Path, ending: str, dtype: Any) -> None:
    path = tmp_path / f"data.{ending}"
    write(path, X.astype(dtype), Y)
    for text in (f"{path}:x", str(path)) if ending in ("npz", "safetensors") else (str(path), f"{path}:f0,f1,f2"):
        found = open_features(text, without="y")
        assert found.matrix.dtype == dtype
        np.testing.assert_array_equal(found.matrix, X.astype(dtype))
        assert found.mapped == (ending in ("npz", "safetensors"))
    for text, beside in ((f"{path}:y", ""), ("y", str(path)), ("y", f"{path}:x")):
        where, labels = open_labels(text, beside)
        assert where == f"{path}[y]"
        np.testing.assert_array_equal(labels, Y)


def test_bfloat16_in_safetensors(tmp_path: Path) -> None:
    """As PyTorch writes it, which NumPy's own reader of the format does not take."""
    bits = X.astype(ml_dtypes.bfloat16)
    save_file({"x": bits.view(np.uint16)}, tmp_path / "x.safetensors")
    content = (tmp_path / "x.safetensors").read_bytes().replace(b'"U16"', b'"BF16"').replace(b" ", b"", 1)
    (tmp_path / "x.safetensors").write_bytes(content)
    found = open_features(str(tmp_path / "x.safetensors"))
    assert found.matrix.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(found.matrix, bits)


def test_a_deflated_archive_is_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "data.npz", x=X)
    found = open_features(str(tmp_path / "data.npz"))
    assert not found.mapped
    np.testing.assert_array_equal(found.matrix, X)


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_a_large_file_takes_no_memory(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"data.{ending}"
    write(path, np.zeros((1 << 16, 16), np.float32), np.zeros(2))
    tracemalloc.start()
    found = open_features(f"{path}:x")
    assert found.matrix[-1, -1] == 0
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < found.matrix.nbytes / 10


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_column_of_lists_is_a_matrix(tmp_path: Path, kind: str) -> None:
    pa = pytest.importorskip("pyarrow")
    x = X.astype(np.float32)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), 3)
    for name, column in (("fixed", fixed), ("lists", pa.array(x.tolist(), pa.list_(pa.float32())))):
        path = tmp_path / f"{name}.{kind}"
        write_table(path, {"x": column, "y": pa.array(Y)})
        np.testing.assert_array_equal(open_features(str(path), without="y").matrix, x)
    write_table(tmp_path / f"uneven.{kind}", {"x": pa.array([[1.0, 2.0], [3.0]])})
    with pytest.raises(DataError, match=r"lists of .* numbers; expected the same length"):
        open_features(str(tmp_path / f"uneven.{kind}"))


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_the_index_of_a_data_frame_is_no_feature(tmp_path: Path, ending: str, noted: bool) -> None:
    """It numbers the rows, and may so tell their labels: after `sample` it is a column of the file."""
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": X[:, 0], "y": Y, "b": X[:, 1]}).sample(frac=1, random_state=0)
    for index in (None, "id") if noted else (None,):
        table = pa.Table.from_pandas(frame.rename_axis(index))
        columns = {name: table[name] for name in table.column_names}
        assert len(columns) == 4
        write_table(tmp_path / f"t.{ending}", columns, table.schema.metadata if noted else None)
        found = open_features(str(tmp_path / f"t.{ending}"), without="y")
        assert found.names == ("a", "b")
        np.testing.assert_array_equal(found.matrix, frame[["a", "b"]])
        index = index or "__index_level_0__"
        assert open_features(f"{tmp_path}/t.{ending}:a,{index}").names == ("a", index)  # who asks for it has it
        np.testing.assert_array_equal(open_labels(f"{tmp_path}/t.{ending}:{index}")[1], frame.index)


def test_an_arrow_stream_is_read_as_a_file_is(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "y": Y})
    with pa.OSFile(str(tmp_path / "s.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    np.testing.assert_array_equal(open_features(f"{tmp_path}/s.arrow", without="y").matrix, X[:, :2])
    np.testing.assert_array_equal(open_labels("y", f"{tmp_path}/s.arrow")[1], Y)
    content = (tmp_path / "s.arrow").read_bytes()
    (tmp_path / "s.arrow").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="what can't be read"):
        open_features(f"{tmp_path}/s.arrow", without="y")


@pytest.mark.parametrize("kind", ["float64", "float32", "string_view", "binary", "large_binary"])
def test_labels_of_every_type_of_a_table(tmp_path: Path, kind: str) -> None:
    """A column of whole numbers that once missed one is of doubles."""
    pa = pytest.importorskip("pyarrow")
    labels = Y if kind.startswith("float") else [f"\N{GREEK SMALL LETTER ALPHA}{label}" for label in Y]
    write_table(tmp_path / "t.parquet", {"y": pa.array(labels, getattr(pa, kind)())})
    for text, beside in ((f"{tmp_path}/t.parquet", ""), ("y", f"{tmp_path}/t.parquet")):
        where, found = open_labels(text, beside)
        assert where.endswith("t.parquet[y]")
        assert found.tolist() == list(labels)


def test_what_is_called_like_a_column_is_not_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's directory, or a file that is none of labels; one of labels is."""
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", x=X, y=Y, of=Y)
    for name in ("y", "d.npz:x"):
        Path(name).mkdir()
    Path("of").write_text("else")
    assert open_labels("y", "d.npz")[0] == "d.npz[y]"
    assert open_labels("of", "d.npz")[0] == "d.npz[of]"
    assert open_features("d.npz:x").where == "d.npz[x]"
    np.save("of.npy", Y + 1)
    assert open_labels("of.npy", "d.npz")[0] == "of.npy"
    for path in ("y", "."):
        with pytest.raises(DataError, match="a directory"):
            open_labels(path)


def test_what_is_called_npy_and_is_none(tmp_path: Path) -> None:
    for name in ("x.npz", "x.parquet"):
        write(tmp_path / name, X, Y)
        (tmp_path / name).rename(tmp_path / "x.npy")
        for read in (open_features, open_labels):
            with pytest.raises(DataError, match="a zip archive, as a .npz is" if name == "x.npz" else "does not begin"):
                read(f"{tmp_path}/x.npy")
    np.save(tmp_path / "y.npy", np.array(["a", None], object))
    with pytest.raises(DataError, match=r"save array.astype\(str\) or numbers"):
        open_labels(f"{tmp_path}/y.npy")


def test_texts_are_labels(tmp_path: Path) -> None:
    texts = np.array(["kat", "žába", "kat"])
    np.save(tmp_path / "u.npy", texts)
    np.save(tmp_path / "s.npy", np.char.encode(texts, "utf-8"))
    np.save(tmp_path / "f.npy", np.array([[0.0], [2.0], [1.0]]))
    for name in "us":
        assert open_labels(str(tmp_path / f"{name}.npy"))[1].tolist() == texts.tolist()
    assert open_labels(str(tmp_path / "f.npy"))[1].tolist() == [0, 2, 1]
    pa = pytest.importorskip("pyarrow")
    for at, column in enumerate((pa.array(texts.tolist()), pa.array(texts.tolist()).dictionary_encode())):
        write_table(tmp_path / f"{at}.parquet", {"y": column})
        assert open_labels(f"{tmp_path / f'{at}.parquet'}:y")[1].tolist() == texts.tolist()


WRONG: dict[str, tuple[Any, str]] = {
    "x.npy": (np.zeros(3), r"x.npy: found features of shape \(3,\); expected \[N, D\]"),
    "t.npy": (np.array([["a"]]), "features of str32; expected numbers"),
    "o.npy": (np.array([[1], [None]]), "can't be read .*objects|pickle"),
    "short.npy": (b"cut", "what can't be read .*; expected a whole .npy file"),
    "long.npy": (b"more", "bytes where the header declares"),
    "x.npz": (b"junk", "no zip archive"),
    "x.safetensors": (b"junk", "what can't be read .*; expected a whole .safetensors file"),
    "x.parquet": (b"junk", "what can't be read .*; expected a whole .parquet file"),
    "x.arrow": (b"junk", "what can't be read .*; expected a whole .arrow file"),
    "x.csv": (b"1,2", "found the ending '.csv'; expected one of .npy, .npz"),
    "x": (b"", "found no ending"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_one_line(tmp_path: Path, name: str) -> None:
    content, said = WRONG[name]
    path = tmp_path / name
    if name.endswith((".parquet", ".arrow")):
        pytest.importorskip("pyarrow")
    if isinstance(content, bytes):
        np.save(tmp_path / "good.npy", X)
        good = (tmp_path / "good.npy").read_bytes()
        path.write_bytes({b"cut": good[:-3], b"more": good + b"more"}.get(content, content))
    else:
        np.save(path, content)
    with pytest.raises(DataError, match=said) as raised:
        open_features(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("ending", ["npz", "safetensors", "parquet"])
def test_a_name_that_is_not_there_gets_the_nearest(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"d.{ending}"
    if ending == "parquet":
        write_table(path, {"train_x": Y, "other": Y})
    elif ending == "npz":
        np.savez(path, train_x=X, other=X)
    else:
        save_file({"train_x": X, "other": X}, path)
    with pytest.raises(DataError, match=r"no .*trian_x.*; expected one of train_x$"):
        open_features(f"{path}:trian_x")
    with pytest.raises(DataError, match=r"trian_x: found no such file; expected a file, or what .* holds: train_x$"):
        open_labels("trian_x", str(path))
    assert set(keys_of(path)) == {"train_x", "other"}
    if ending != "parquet":
        with pytest.raises(DataError, match=r"found other, train_x; expected one array, or which: .*:NAME"):
            open_features(str(path))


def test_what_a_table_may_not_hold(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    write_table(path, {"a": pa.array([1.0, 2, 3, 4, None]), "b": pa.array(["x", None, "y", "y", "y"])})
    for text, said in (
        (f"{path}:a", r"t.parquet\[a\]: found nothing in row 4; expected a number"),
        (str(path), r"t.parquet\[b\]: found a column of string; expected numbers alone: choose with"),
    ):
        with pytest.raises(DataError, match=said):
            open_features(text)
    with pytest.raises(DataError, match=r"t.parquet\[b\]: found no label in row 1"):
        open_labels(f"{path}:b")


def test_without_pyarrow_a_table_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="no pyarrow here, which reads tables; expected it: pip install pyarrow"):
        open_features(str(tmp_path / "t.parquet"))


def test_a_colon_may_be_in_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a.npz:b"
    path.write_bytes(b"")
    assert split_key(str(path)) == (path, "")
    assert split_key("a.npz:b") == (Path("a.npz"), "b")
    assert split_key("no:b") == (Path("no:b"), "")


@pytest.mark.parametrize(
    ("labels", "said"),
    [(np.zeros((3, 2), int), r"labels of shape \(3, 2\); expected \[N\]"), (np.array([0.5, 1]), "labels of float64"),
     (np.array([np.nan, 1]), "labels of float64"), (np.zeros(2, complex), "labels of complex128")],
)  # fmt: skip
def test_wrong_labels_are_one_line(tmp_path: Path, labels: Any, said: str) -> None:
    np.save(tmp_path / "y.npy", labels)
    with pytest.raises(DataError, match=said):
        open_labels(str(tmp_path / "y.npy"))
