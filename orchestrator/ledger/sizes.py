"""How large the ledger's tables are, by what their own database says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, text

from orchestrator.domain.tallies import TableSize
from orchestrator.ledger.schema import metadata
from orchestrator.ledger.totals import TABLE_BYTES, TABLE_ROWS, TotalRows

if TYPE_CHECKING:
    from collections.abc import Mapping

# SQLite: the pages of a table and of its indexes, where it was built to tell.
TELLS: Final = text("SELECT COUNT(*) FROM pragma_module_list WHERE name = 'dbstat'")
PAGES: Final = text(
    "SELECT m.tbl_name, SUM(s.pgsize) FROM sqlite_schema m JOIN dbstat s ON s.name = m.name GROUP BY m.tbl_name"
)


class SizeRows(TotalRows):
    """The verbs on sizes."""

    def measure(self) -> Mapping[str, TableSize]:
        """Measure the tables; reads all of them."""
        names = list(metadata.tables)
        held = self._bytes_on_postgres(names) if self._reading.dialect.name == "postgresql" else self._bytes_here()
        return {name: TableSize(self._rows(name), held.get(name, 0)) for name in names}

    def _rows(self, name: str) -> int:
        return int(self._reading.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one())

    def _bytes_here(self) -> dict[str, int]:
        if not self._reading.execute(TELLS).scalar_one():
            return {}
        return {row[0]: int(row[1]) for row in self._reading.execute(PAGES)}

    def _bytes_on_postgres(self, names: list[str]) -> dict[str, int]:
        sizes = select(*(func.pg_total_relation_size(name) for name in names))
        return dict(zip(names, map(int, self._reading.execute(sizes).one()), strict=True))

    def note_sizes(self, sizes: Mapping[str, TableSize]) -> None:
        """Keep the sizes that were measured last, for the tallies."""
        for name, size in sizes.items():
            self._set_total(TABLE_ROWS, name, size.rows)
            self._set_total(TABLE_BYTES, name, size.bytes)

    def _sizes(self) -> dict[str, TableSize]:
        held = self._totals(TABLE_BYTES)
        return {name: TableSize(rows, held.get(name, 0)) for name, rows in self._totals(TABLE_ROWS).items()}
