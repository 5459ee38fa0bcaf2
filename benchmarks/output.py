"""How figures are shown: tables for people, one object for programs, Markdown for the README."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_machine

Figures = dict[str, Any]

#: What goes on; the standard output has the result alone.
progress = Console(stderr=True, highlight=False)


def told(text: str) -> None:
    """Say what goes on."""
    progress.print(text, markup=False)


def show(title: str, ours: Figures, official: Figures | None, *, as_json: bool) -> None:
    """Print both sides: as a table, or as one object on one line."""
    machine = describe_machine()
    if as_json:
        result = {"ours": rounded(ours), "official": rounded(official), "machine": machine}
        print(json.dumps(result), flush=True)
        return
    table = Table(title=title, caption=machine_line(machine))
    table.add_column()
    table.add_column("ours", justify="right")
    table.add_column("official", justify="right")
    for key in dict.fromkeys((*ours, *(official or {}))):
        table.add_row(key, as_text(ours.get(key)), as_text((official or {}).get(key)))
    Console().print(table)


def machine_line(machine: Mapping[str, Any]) -> str:
    """Return the machine in one line."""
    return (
        f"{machine['cores']} cores, {machine['cpu']}, {machine['system']}, Python {machine['python']}, "
        f"Airflow {machine['airflow']}, {machine['date']}"
    )


def as_text(value: Any) -> str:
    """Return a figure as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{as_text(each)} {str(name).rpartition('/')[2]}" for name, each in value.items())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def rounded(value: Any) -> Any:
    """Return figures with no more digits than were measured."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table in Markdown; figures stand on the right."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    lines += [f"| {' | '.join(as_text(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)
