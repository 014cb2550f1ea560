"""Parquet files that anyone may have written: columns of the kinds that are meant, of a bounded size, or a sentence."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MOST_ROWS: Final = 1_000_000
"""Of a part, or of a row group of a larger file: as many tiles as ``source.task`` allows."""
MOST_VALUES: Final = 2**26
"""Of lists, in a row group."""
_MOST_BYTES: Final = 2**29  # of a row group, written out
# Bytes that all texts of a file of any origin may have: so many, or so many times those of the file.
_LEAST_WRITTEN: Final = 2**27
_TIMES: Final = 20
# Kinds of which a few bytes of a file may stand for gigabytes, one value for many rows.
_TEXTS: Final = (pa.string(), pa.binary())
# What libraries say of the columns in the metadata, which is not taken for granted.
_OF_LIBRARIES: Final = (b"ARROW:schema", b"pandas")

UNREADABLE = (OSError, pa.ArrowException, LookupError, OverflowError, TypeError, ValueError)
"""What reading such a file raises where it is damaged, or is not what is meant."""


def told(error: BaseException) -> str:
    """What an error says, in one line."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()) or type(error).__name__


class PlainParquet:
    """A Parquet file that is open, of whose columns those that are meant have been looked at.

    Args:
        file: to read from at any place, or the content.
        kinds: the columns that may be read, and their types; others of the file are left alone.
        gaps: those in which a row may have no value.
        needed: those that have to be there; others of ``kinds`` may be.

    Raises:
        UNREADABLE: one of these; what the file has, and what was expected.
    """

    def __init__(
        self,
        file: bytes | IO[bytes],
        kinds: Mapping[str, pa.DataType],
        gaps: Collection[str] = (),
        needed: Collection[str] = (),
    ) -> None:
        source = pa.BufferReader(file) if isinstance(file, bytes) else file
        first = pq.ParquetFile(source)
        there = first.schema_arrow
        # In the order of the file.
        self.names: list[str] = [name for name in there.names if name in kinds]
        self.rows: int = first.metadata.num_rows
        _check_columns(there, {name: kinds[name] for name in self.names}, needed)
        check_sizes(first)
        texts = [name for name in self.names if kinds[name] in _TEXTS]
        self._gaps, self._texts = gaps, texts
        # Texts by their numbers first: a few bytes may stand for gigabytes of them.
        self._file = pq.ParquetFile(source, metadata=first.metadata, read_dictionary=texts)

    @property
    def metadata(self) -> Mapping[bytes, bytes]:
        """What the file says of itself, by key."""
        said: dict[bytes, bytes] | None = self._file.metadata.metadata
        return said or {}

    def whole(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Some columns, or all that were meant.

        Raises:
            UNREADABLE: one of these; one of ``columns`` is not there, or its values are none.
        """
        wanted = self.names if columns is None else list(columns)
        for name in wanted:
            if name not in self.names:
                raise ValueError(f"it has no column {name!r}")
        if self.rows > MOST_ROWS:
            raise ValueError(f"it has {self.rows:,} rows, more than the {MOST_ROWS:,} of any part")
        return self._looked_at(self._file.read(wanted), wanted)

    def pieces(self) -> Iterator[pa.Table]:
        """The columns that were meant, a row group at a time.

        Raises:
            UNREADABLE: one of these; the values of a column are none.
        """
        for group in range(self._file.num_row_groups):
            yield self._looked_at(self._file.read_row_group(group, self.names), self.names)

    def _looked_at(self, table: pa.Table, names: Sequence[str]) -> pa.Table:
        table = table.select(names)
        table.validate(full=True)
        for name in names:
            if table[name].null_count and name not in self._gaps:
                raise ValueError(f"its column {name!r} has rows without a value")
            if name in self._texts:
                place = table.schema.get_field_index(name)
                table = table.set_column(place, name, _written_out(name, table[name]))
        kept = {key: text for key, text in self.metadata.items() if key not in _OF_LIBRARIES}
        return table.replace_schema_metadata(kept)


def _check_columns(
    there: pa.Schema, kinds: Mapping[str, pa.DataType], needed: Collection[str]
) -> None:
    for name in needed:
        if name not in kinds:
            raise ValueError(f"it has no column {name!r}")
    for name, kind in kinds.items():
        if there.names.count(name) > 1:
            raise ValueError(f"it has several columns {name!r}")
        if there.field(name).type != kind:
            raise ValueError(f"its column {name!r} is of {there.field(name).type}, and not {kind}")


def check_sizes(file: pq.ParquetFile) -> None:
    """Look at the sizes of the row groups of a file, before any is read as a table.

    Raises:
        UNREADABLE: they are larger than those of any table of a run, or not what the file says of them.
    """
    said = file.metadata
    for group in map(said.row_group, range(said.num_row_groups)):
        if not 0 <= group.num_rows <= MOST_ROWS:
            raise ValueError(f"it has {group.num_rows:,} rows at once, too many")
        if not 0 <= group.total_byte_size <= _MOST_BYTES:
            raise ValueError(f"it has {group.total_byte_size:,} bytes of values at once, too many")
    columns = map(said.schema.column, range(said.num_columns))
    lists = {place: one.path for place, one in enumerate(columns) if one.max_repetition_level}
    if not lists:
        return
    # What is said of a column must have been read before it is asked for: pyarrow ends the process where
    # it contradicts itself. Lists are decoded for that, a piece at a time.
    file.scan_contents([*lists.values()])
    for group in map(said.row_group, range(said.num_row_groups)):
        values = sum(group.column(place).num_values for place in lists)
        if not 0 <= values <= MOST_VALUES:
            raise ValueError(f"it has {values:,} values of lists at once, too many")


def check_texts(file: IO[bytes]) -> None:
    """Look at how many bytes the texts of a file have that anyone may have written, outlines in bytes among them.

    Args:
        file: to read from at any place; columns of lists are left alone.

    Raises:
        UNREADABLE: it has so many more than the file itself that they would fill the memory, it has several
            columns of one name, or it cannot be read.
    """
    most = max(_LEAST_WRITTEN, _TIMES * file.seek(0, os.SEEK_END))
    first = pq.ParquetFile(file)
    said, there = first.metadata, first.schema_arrow
    several = [name for name, count in Counter(there.names).items() if count > 1]
    if several:
        raise ValueError(f"it has several columns {several[0]!r}")
    _check_most(sum(said.row_group(at).total_byte_size for at in range(said.num_row_groups)), most)
    columns = map(said.schema.column, range(said.num_columns))
    texts = [
        one.path for one in columns if one.physical_type == "BYTE_ARRAY" and one.path == one.name
    ]
    numbered, total = pq.ParquetFile(file, metadata=said, read_dictionary=texts), 0
    for at in range(said.num_row_groups):
        table = numbered.read_row_group(at, texts)
        total += sum(_bytes_of(table[name]) for name in texts)
        _check_most(total, most)


def _check_most(size: int, most: int) -> None:
    if not 0 <= size <= most:
        reason = f"its values have {size:,} bytes, more than the {most:,} of a file of its size"
        raise ValueError(reason)


def _bytes_of(column: pa.ChunkedArray) -> int:
    """Bytes of texts that are numbers of texts, written out."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    size = 0
    for chunk in column.chunks:
        lengths: Any = pc.binary_length(chunk.dictionary).take(chunk.indices)
        size += pc.sum(lengths).as_py() or 0
    return size


def _written_out(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as texts, where they were numbers of texts."""
    size = _bytes_of(column)
    if size > _MOST_BYTES:
        raise ValueError(f"the texts of its column {name!r} have {size:,} bytes, too many")
    return column.cast(column.type.value_type)
