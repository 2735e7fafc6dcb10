"""The results of several recordings or photos, which are one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from emofuse.formatting import pluralise
from emofuse.timeline import Timeline

if TYPE_CHECKING:
    from emofuse.outputs.records import Cell, Library, Table, TableName


class Timelines(Sequence[Timeline]):
    """The timelines of several recordings or photos, in their order.

    Attributes:
        failures: Why there is none of an input, by its name; empty unless `on_error="skip"` was asked for.

    Example:
        >>> import emofuse
        >>> from emofuse.cli.demo import CLIP
        >>> found = emofuse.analyze([CLIP, "nowhere.mp4"], on_error="skip")
        >>> found
        <Timelines of 1 recording, and 1 failure>
        >>> found.failures["input 2 of 2 (nowhere.mp4)"]
        'no such file: nowhere.mp4 (check the path)'
    """

    def __init__(self, timelines: Iterable[Timeline], failures: Mapping[str, str] | None = None) -> None:
        self._timelines = tuple(timelines)
        self.failures = dict(failures or {})

    @overload
    def __getitem__(self, index: int) -> Timeline: ...

    @overload
    def __getitem__(self, index: slice) -> Timelines: ...

    def __getitem__(self, index: int | slice) -> Timeline | Timelines:
        return Timelines(self._timelines[index]) if isinstance(index, slice) else self._timelines[index]

    def __len__(self) -> int:
        return len(self._timelines)

    def __repr__(self) -> str:
        failed = f", and {pluralise(len(self.failures), 'failure')}" if self.failures else ""
        return f"<Timelines of {pluralise(len(self), 'recording')}{failed}>"

    def records(self, table: TableName | None = None) -> list[dict[str, Cell]]:
        """Return the rows of the table that `to_dataframe` gives.

        Args:
            table: One of those of `Timeline.records`, for all recordings; by default, a row for each recording
                and failure.

        Returns:
            A dictionary for each row, by the names of its columns; what is not known is None.

        Raises:
            UsageError: There is no such table.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> emofuse.analyze([CLIP]).records()[0]["label"]
            'happy'
        """
        return self._table(table).records()

    def to_dataframe(self, table: TableName | None = None, library: Library = "pandas") -> Any:
        """Return one table of all recordings.

        Args:
            table: One of those of `Timeline.to_dataframe`, with the recording's name as its first column; by default, a
                row for each recording and failure, as `summary.csv` has it.
            library: "pandas" (`pip install 'emofuse[tables]'`), "polars" or "pyarrow".

        Returns:
            A pandas or Polars DataFrame, or a pyarrow Table.

        Raises:
            UsageError: There is no such table, or the library is not installed.

        Example:
            >>> import emofuse
            >>> from emofuse.cli.demo import CLIP
            >>> emofuse.analyze([CLIP, CLIP]).to_dataframe("segments").shape
            (2, 7)
        """
        return self._table(table).to_frame(library)

    def _table(self, name: TableName | None) -> Table:
        from emofuse.outputs.index import Digest, Row, summary_table
        from emofuse.outputs.records import table_of_many

        if name is not None:
            return table_of_many(self, name)
        failed = [Row(name, failure=reason) for name, reason in self.failures.items()]
        return summary_table([*(Row(one.source.path, Digest.of(one)) for one in self), *failed])
