"""Features and their labels in files: one matrix [N, D] and N labels, mapped into memory where the format allows."""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from manual_vs_auto.data import npz
from manual_vs_auto.data.nearest import nearest
from manual_vs_auto.data.source import Array, DataError, read

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = ("float16", "bfloat16", "float32", "float64")
_SAFETENSORS: Mapping[str, Any] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": BFLOAT16, "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_TABLES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
FORMATS = (".npy", ".npz", ".safetensors", *_TABLES)


@dataclass(frozen=True)
class Features:
    """A matrix of features, one row an example.

    where:  the file, and the array in it, as a person would name it.
    matrix: [N, D], floating or whole numbers; it may be mapped from the file.
    mapped: whether it is.
    names:  of its D columns, where a table has them.
    """

    where: str
    matrix: Array
    mapped: bool = False
    names: tuple[str, ...] = ()


def split_key(text: str) -> tuple[Path, str]:
    """A file, and after a colon what is meant within it: `data.npz:x` is data.npz and x, unless it is a file."""
    path, colon, key = text.rpartition(":")
    if colon and not Path(text).is_file() and Path(path).suffix.lower() in FORMATS:
        return Path(path), key
    return Path(text), ""


def is_features(path: Path) -> bool:
    """Whether its name is that of a file of features."""
    return path.suffix.lower() in FORMATS


def names_file(text: str) -> bool:
    """Whether labels are a file that is there, `y.npy` or `FILE:KEY`.

    What else is called so, as a run's directory may be, is not meant: they are an array or a column, then.
    """
    path, _ = split_key(text)
    return is_features(path) and path.is_file()


def labels_within(labels: str, text: str) -> str:
    """Which array or column of the features' file has the labels; "" where they are in another."""
    if not names_file(labels):
        return labels
    file, key = split_key(labels)
    return key if file == split_key(text)[0] else ""


def open_features(text: str, without: str = "", columns: Sequence[str] = ()) -> Features:
    """A file's matrix.

    Args:   text:    a path, and after a colon the array of an archive or the columns of a table, with commas.
            without: the array or the column that has the labels.
            columns: of a table, where the text names none.
    Raises: DataError, one line.
    """
    path, key = split_key(text)
    if _kind(path) in _TABLES:
        from manual_vs_auto.data import tables

        chosen = tuple(key.split(",")) if key else tuple(columns)
        matrix, names = tables.matrix(path, chosen, without)
        return Features(str(path), matrix, names=names)
    key = key or _only(path, without)
    array = _open(path, key)
    where = f"{path}[{key}]" if key else str(path)
    if array.dtype.name not in FLOATS and array.dtype.kind not in "iub":
        raise DataError(where, f"features of {array.dtype.name}", f"numbers: {', '.join(FLOATS)} or whole")
    if array.ndim < 2 or not array.size:
        raise DataError(where, f"features of shape {array.shape}", "[N, D]: a row an example")
    return Features(where, array, mapped=isinstance(array, np.memmap))


def open_labels(text: str, beside: str = "") -> tuple[str, Array]:
    """Labels [N], whole numbers or text, and where they stand.

    Args:   text:   a file, `FILE:KEY`, or an array or a column of the file that has the features.
            beside: that file.
    Raises: DataError, one line.
    """
    path, key = split_key(text)
    if not names_file(text) and beside and text in (held := keys_of(within := split_key(beside)[0])):
        path, key = within, text
    elif not path.exists():
        held = keys_of(split_key(beside)[0]) if beside else ()
        expected = f"a file, or what {beside} holds: {nearest(text, held)}" if held else "a file of labels"
        raise DataError(path, "no such file", expected)
    if _kind(path) in _TABLES:
        from manual_vs_auto.data import tables

        key = key or _only(path)
        labels, where = tables.column(path, key), f"{path}[{key}]"
    else:
        key = key or _only(path)
        labels, where = _open(path, key), f"{path}[{key}]" if key else str(path)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(where, f"labels of shape {labels.shape}", "[N]: one an example, not one-hot rows")
    if labels.dtype.kind == "f" and np.array_equal(labels, np.floor(labels)) and np.isfinite(labels).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iubUS":
        raise DataError(where, f"labels of {labels.dtype.name}", "whole numbers or text")
    return where, _text(where, labels) if labels.dtype.kind == "S" else labels


def keys_of(path: Path) -> tuple[str, ...]:
    """What a file holds by name: arrays or columns; nothing where it holds one array without a name.

    Raises: DataError.
    """
    kind = _kind(path)
    if kind == ".npz":
        return npz.keys_in(path)
    if kind == ".safetensors":
        return tuple(_header(path)[0])
    if kind in _TABLES:
        from manual_vs_auto.data import tables

        return tables.columns(path)
    return ()


def _text(where: str, labels: Array) -> Array:
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError:
        raise DataError(where, "labels that are no text", "Unicode, or bytes in UTF-8") from None


def _kind(path: Path) -> str:
    """The file's format, by its name. Raises: DataError where it is none, or no file."""
    kind = path.suffix.lower()
    if path.is_dir():
        raise DataError(path, "a directory", f"a file: {', '.join(FORMATS)}")
    if kind not in FORMATS:
        raise DataError(path, f"the ending {kind!r}" if kind else "no ending", f"one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise DataError(path, "no regular file" if path.exists() else "no such file", f"a {kind} file")
    return kind


def _only(path: Path, without: str = "") -> str:
    """The key of the only array, or of the only matrix beside the labels; "" in a .npy."""
    held = [key for key in keys_of(path) if key != without]
    if path.suffix.lower() == ".npy" or len(held) == 1:
        return held[0] if held else ""
    raise DataError(path, ", ".join(sorted(held)[:8]) or "nothing", f"one array, or which: {path}:NAME")


def _open(path: Path, key: str) -> Array:
    kinds: dict[str, Callable[[Path, str], Array]] = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}
    if (held := keys_of(path)) and key not in held:
        raise DataError(path, f"no {key}", f"one of {nearest(key, held)}")
    try:
        array = kinds[_kind(path)](path, key)
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        hint = ": save array.astype(str) or numbers" if "object" in str(error).lower() else ""
        raise DataError(path, f"what can't be read ({error})", f"a whole {path.suffix} file{hint}") from None
    # NumPy has no name for bfloat16, so a file that it writes says only how many bytes there are.
    return array.view(BFLOAT16) if array.dtype == np.dtype("V2") else array


def _npy(path: Path, _: str) -> Array:
    with path.open("rb") as file:
        begins = file.read(len(np.lib.format.MAGIC_PREFIX))
    if begins != np.lib.format.MAGIC_PREFIX:
        raise ValueError("a zip archive, as a .npz is" if begins[:2] == b"PK" else "it does not begin as one does")
    array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(array, np.memmap) and array.offset + array.nbytes != path.stat().st_size:
        raise ValueError(f"{path.stat().st_size:,} bytes where the header declares {array.offset + array.nbytes:,}")
    return array


def _npz(path: Path, key: str) -> Array:
    source, start = npz.open_key(path, key)
    if start is None:
        return read(source, source.dtype)
    return _mapped(path, source.dtype, source.shape, start, "F" if source.fortran_order else "C")


def _safetensors(path: Path, key: str) -> Array:
    tensors, start = _header(path)
    about = tensors[key]
    if about["dtype"] not in _SAFETENSORS:
        raise DataError(f"{path}[{key}]", about["dtype"], f"one of {', '.join(_SAFETENSORS)}")
    return _mapped(path, np.dtype(_SAFETENSORS[about["dtype"]]), about["shape"], start + about["data_offsets"][0])


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """What a safetensors file says of its tensors, once the library has passed it, and where they begin."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np"):  # it holds the header against the file's length
            pass
        with path.open("rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(size))
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(path, f"what can't be read ({error})", "a whole .safetensors file") from None
    return {name: about for name, about in header.items() if name != "__metadata__"}, 8 + size


def _mapped(path: Path, dtype: np.dtype[Any], shape: Sequence[int], start: int, order: Any = "C") -> Array:
    if 0 in shape:
        return np.empty(tuple(shape), dtype)
    return np.memmap(path, dtype, "r", start, tuple(shape), order)
