"""``python -m tests.faults``: try the faults and print what became of the jobs, in one table."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from tests.faults.faults import FAULTS
from tests.faults.harness import harness
from tests.faults.official import OFFICIAL, OFFICIAL_FAULTS
from tests.faults.rows import Row
from tests.faults.subjects import OURS
from tests.faults.table import print_findings, print_table
from tests.faults.tally import Tally

# With it all points take some ten minutes on two processors.
EVERY = 4
_progress = Console(stderr=True)


def main(
    backend: Annotated[list[str] | None, typer.Option(help="These backends alone")] = None,
    every: Annotated[int, typer.Option(min=1, help="Strike every so many-th point alone")] = EVERY,
    only: Annotated[str, typer.Option(help="The faults alone whose name holds this")] = "",
    official: Annotated[bool, typer.Option("--official", help="Airflow's own operators instead")] = False,
) -> None:
    """Try the faults; exit 1 unless every job was submitted once and none was left behind."""
    # What was started and made is ended and removed then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    operators, faults = (OFFICIAL, OFFICIAL_FAULTS) if official else (OURS, FAULTS)
    subjects = [each for each in operators.values() if not backend or each.dialect in backend]
    chosen = [fault for fault in faults if only in fault.name]
    tallies: list[Tally] = []
    if chosen:
        with harness() as started:
            tallies = started.try_all(subjects, chosen, every=every, told=_tell)
    rows = [tally.row() for tally in tallies]
    if not (official or backend):
        rows += [row for name, run in _with_real_airflow().items() if only in name for row in run()]
    print_table(rows, tallies)
    print_findings(tallies)
    _progress.print(f"{time.monotonic() - began:.0f} s")
    sys.exit(0 if official or all(row.is_clean for row in rows) else 1)


def _with_real_airflow() -> dict[str, Callable[[], list[Row]]]:
    """Return what is tried on all processes of an Airflow, and on all services at once."""
    from tests.faults import burst, chaos

    return {"killed at random": chaos.run, burst.FAULT: burst.run}


def _tell(tally: Tally, seconds: float) -> None:
    row = tally.row()
    verdict = "clean" if row.is_clean else "[red]not clean[/]"
    _progress.print(f"{row.backend}: {row.fault}: {row.runs} runs in {seconds:.0f} s, {verdict}")


if __name__ == "__main__":
    typer.run(main)
