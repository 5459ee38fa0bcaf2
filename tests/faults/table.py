"""The one table of all faults, and where it went wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.faults.rows import Row
from tests.faults.tally import Tally

_NUMBERS = ("runs", "duplicates", "orphans", "lost", "false_failures")
# A pipe has no width; the table is to fit all the same.
_WIDTH = 140


def print_table(rows: Sequence[Row], tallies: Sequence[Tally]) -> None:
    """Print the rows, those of one fault together, and their sum.

    :param tallies: of those rows that come of points that were struck
    """
    table = Table("fault", "backend")
    for name in _NUMBERS:
        table.add_column(name.replace("_", " "), justify="right")
    faults = list(dict.fromkeys(row.fault for row in rows))
    for row in sorted(rows, key=lambda row: faults.index(row.fault)):
        style = None if row.is_clean else "red"
        table.add_row(row.fault, row.backend, *(str(getattr(row, name)) for name in _NUMBERS), style=style)
    table.add_section()
    kills = sum(tally.kills for tally in tallies)
    totals = (str(sum(getattr(row, name) for row in rows)) for name in _NUMBERS)
    table.add_row(f"total, {kills} points struck", "", *totals, style="bold")
    console = _console()
    console.print(table)
    if twins := sum(tally.twins for tally in tallies):
        console.print(
            f"{twins} jobs that a second process had submitted were cancelled before they began: their "
            "services name jobs themselves, and take two of a kind"
        )


def print_findings(tallies: Sequence[Tally]) -> None:
    """Print of each row that is not clean where its processes were struck."""
    for tally in tallies:
        if not tally.row().is_clean:
            _console().print(tally.report(), markup=False, highlight=False, soft_wrap=True)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH)
