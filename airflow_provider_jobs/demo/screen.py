"""How the demo looks in a terminal: lines as tasks change, a live table meanwhile, the table of results.

This module draws what it is given; it must not ask Airflow anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from airflow_provider_jobs.demo.runs import TaskView

_STATE_STYLES = {"success": "green", "failed": "red", "deferred": "magenta", "running": "cyan"}


def _state_text(state: str | None) -> Text:
    return Text(state or "none yet", style=_STATE_STYLES.get(state or "", "dim"))


def _duration_text(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


class ProgressScreen:
    """Shows tasks as they change; a context manager.

    Every change of state becomes a line. On a terminal, a table of the unfinished tasks with the newest line
    of each log is redrawn below those lines.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._states: dict[tuple[str, str], str | None] = {}
        self._live = (
            Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        )

    def __enter__(self) -> ProgressScreen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, views: Sequence[TaskView]) -> None:
        """Draw these tasks as the newest that is known."""
        for view in views:
            name = (view.dag_id, view.task_id)
            if self._states.get(name, None) != view.state:
                self._states[name] = view.state
                self._say_change(view)
        if self._live is not None:
            self._live.update(self._unfinished(views), refresh=True)

    def _say_change(self, view: TaskView) -> None:
        line = Text.assemble(f"  {view.dag_id}.{view.task_id}  ", _state_text(view.state))
        if view.finished:
            details = [_duration_text(view.duration_seconds), view.array or ""]
            line.append("  " + "  ".join(detail for detail in details if detail))
        self._console.print(line)

    def _unfinished(self, views: Sequence[TaskView]) -> Group:
        table = Table.grid(padding=(0, 2))
        for view in views:
            if not view.finished:
                line = Text(view.last_line, style="dim", no_wrap=True, overflow="ellipsis")
                seconds = _duration_text(view.duration_seconds)
                table.add_row(f"  {view.task_id}", _state_text(view.state), seconds, line)
        return Group(table)


def print_results(
    console: Console,
    views: Iterable[TaskView],
    *,
    broken: Mapping[tuple[str, str], Sequence[str]],
    logs: Mapping[tuple[str, str], Path],
) -> None:
    """Print the table of results, and below it every promise that was not kept.

    :param broken: by DAG and task id, what was promised and did not happen
    :param logs: by DAG and task id, where the logs of the task are
    """
    table = Table(title="What the examples did", title_justify="left")
    for heading in ("Task", "Backend", "State", "Array", "Duration", "As promised", "Log"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "Duration" else "left")
    for view in views:
        name = (view.dag_id, view.task_id)
        table.add_row(
            f"{view.dag_id}.{view.task_id}",
            view.backend or "-",
            _state_text(view.state),
            view.array or "-",
            _duration_text(view.duration_seconds),
            Text("no", style="red") if broken.get(name) else Text("yes", style="green"),
            os.path.relpath(logs[name]) if name in logs else "-",
        )
    console.print(table)
    for (dag_id, task_id), lines in broken.items():
        for line in lines:
            console.print(Text(f"{dag_id}.{task_id}: {line}", style="red"))
