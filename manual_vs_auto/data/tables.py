"""Tables of features: Parquet and Arrow files, by pyarrow, which is imported only here."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from manual_vs_auto.data.nearest import nearest
from manual_vs_auto.data.source import Array, DataError

_PARQUET = (".parquet", ".pq")
_STREAM = b"\xff\xff\xff\xff"  # an Arrow stream begins with a message, and Arrow's files with their name
_INDEX = re.compile(r"__index_level_\d+__")  # what pandas' index is called that has no name


def columns(path: Path) -> tuple[str, ...]:
    """The names of a table's columns. Raises: DataError."""
    with _opened(path) as table:
        return tuple(table.schema.names)


def column(path: Path, name: str) -> Array:
    """One column as labels [N]: numbers or text. Raises: DataError."""
    pa = _pyarrow(path)
    with _opened(path) as table:
        _expect(path, table, [name])
        found = pa.chunked_array([piece.column(0) for piece in table.pieces([name])], table.schema.field(name).type)
        where = f"{path}[{name}]"
        if pa.types.is_dictionary(found.type):
            found = found.cast(found.type.value_type)
        if found.null_count:
            raise DataError(where, f"no label in row {_first_null(found):,}", "a label in each")
        kind = found.type
        if any(is_text(kind) for is_text in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)):
            return np.array(found.to_pylist(), dtype=np.str_)
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return np.array(found.cast(pa.large_string()).to_pylist(), dtype=np.str_)
        if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind):
            return np.asarray(found.to_numpy())
        raise DataError(where, f"labels of {found.type}", "whole numbers or text")


def matrix(path: Path, chosen: Sequence[str], without: str) -> tuple[Array, tuple[str, ...]]:
    """The table's numbers as one matrix [N, D], filled piece by piece, and the names of its columns.

    Args:   chosen:  the columns, else all but `without` and pandas' index, which numbers the rows. One column of lists
                     of the same length is a matrix, too.
    Raises: DataError.
    """
    pa = _pyarrow(path)
    with _opened(path) as table:
        left_out = {without, *_index_of(table.schema)}
        names = list(chosen) or [name for name in table.schema.names if name not in left_out]
        _expect(path, table, names)
        types = [table.schema.field(name).type for name in names]
        lists = (pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list)
        if len(names) == 1 and any(is_list(types[0]) for is_list in lists):
            return _lists(path, table, names[0]), ()
        for name, kind in zip(names, types, strict=True):
            if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
                hint = f"numbers alone: choose with {path}:COLUMN,COLUMN"
                raise DataError(f"{path}[{name}]", f"a column of {kind}", hint)
        if not (names and table.rows):
            raise DataError(path, f"{table.rows:,} rows of {len(names)} columns", "at least one of each")
        dtypes = [np.dtype(kind.to_pandas_dtype()) for kind in types]
        whole = np.empty((table.rows, len(names)), np.result_type(*dtypes))
        start = 0
        for piece in table.pieces(names):
            for at, name in enumerate(names):
                found = piece.column(at)
                if found.null_count:
                    raise DataError(f"{path}[{name}]", f"nothing in row {start + _first_null(found):,}", "a number")
                whole[start : start + len(piece), at] = found.to_numpy(zero_copy_only=False)
            start += len(piece)
        return whole, tuple(names)


class _Table:
    """A table whose rows come in pieces."""

    def __init__(self, source: Any, schema: Any, rows: int) -> None:
        self._source, self.schema, self.rows = source, schema, rows

    def pieces(self, names: Sequence[str]) -> Iterator[Any]:
        """Some rows at a time, of these columns in this order."""
        if hasattr(self._source, "iter_batches"):
            batches = self._source.iter_batches(columns=list(names))
        elif hasattr(self._source, "to_batches"):
            batches = self._source.to_batches()
        else:
            batches = (self._source.get_batch(at) for at in range(self._source.num_record_batches))
        for batch in batches:
            yield batch.select(list(names))


@contextmanager
def _opened(path: Path) -> Iterator[_Table]:
    pa = _pyarrow(path)
    try:
        if path.suffix.lower() in _PARQUET:
            with pa.parquet.ParquetFile(path, memory_map=True) as file:
                yield _Table(file, file.schema_arrow, file.metadata.num_rows)
        elif _begins(path, _STREAM):
            with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as stream:
                read = stream.read_all()
                yield _Table(read, read.schema, read.num_rows)
        else:
            with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
                rows = sum(file.get_batch(at).num_rows for at in range(file.num_record_batches))
                yield _Table(file, file.schema, rows)
    except (OSError, pa.ArrowException) as error:
        line = (str(error).splitlines() or [""])[0]
        raise DataError(path, f"what can't be read ({line})", f"a whole {path.suffix} file") from None


def _begins(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(path, "no pyarrow here, which reads tables", "it: pip install pyarrow") from None
    return pyarrow


def _index_of(schema: Any) -> set[str]:
    """The columns that are the index of the data frame that was written, by what pandas noted or by their names."""
    try:
        noted = (schema.pandas_metadata or {}).get("index_columns", ())
    except (ValueError, AttributeError):  # what another program wrote there
        noted = ()
    return {name for name in noted if isinstance(name, str)} | set(filter(_INDEX.fullmatch, schema.names))


def _expect(path: Path, table: _Table, names: Sequence[str]) -> None:
    held = table.schema.names
    for name in names:
        if name not in held:
            raise DataError(path, f"no column {name!r}", f"one of {nearest(name, held)}")
        if held.count(name) > 1:
            raise DataError(path, f"{held.count(name)} columns {name!r}", "one")


def _lists(path: Path, table: _Table, name: str) -> Array:
    """A column whose rows are lists of D numbers."""
    where, whole, start = f"{path}[{name}]", np.empty((0, 0)), 0
    for piece in table.pieces([name]):
        found = piece.column(0)
        if found.null_count:
            raise DataError(where, f"nothing in row {start + _first_null(found):,}", "a list of numbers")
        values = found.flatten().to_numpy(zero_copy_only=False)
        if not len(piece):
            continue
        if not start:
            whole = np.empty((table.rows, len(values) // len(piece)), values.dtype)
        lengths = np.diff(found.offsets.to_numpy()) if hasattr(found, "offsets") else np.array([found.type.list_size])
        if (lengths != whole.shape[1]).any():
            raise DataError(
                where, f"lists of {sorted(set(lengths.tolist()))[:4]} numbers", "the same length in each row"
            )
        whole[start : start + len(piece)] = values.reshape(len(piece), -1)
        start += len(piece)
    if not whole.size:
        raise DataError(where, "no row", "at least one")
    if whole.dtype.kind not in "fiub":
        raise DataError(where, f"lists of {whole.dtype}", "numbers")
    return whole


def _first_null(found: Any) -> int:
    return int(np.argmax(found.is_null().to_numpy(zero_copy_only=False)))
