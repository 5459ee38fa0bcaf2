"""``airflow-jobs doctor``: what a person checks first when jobs do not run, in one table.

It reads and asks, and changes nothing. No secret of a connection is shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airflow_provider_jobs import __version__
from airflow_provider_jobs.core.errors import JobsError, MissingExtra
from airflow_provider_jobs.core.registry import BackendEntry, backend_entry, backends, load


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    :param good: ``None`` where nothing can be said
    """

    subject: str
    good: bool | None
    says: str


def doctor(
    backend: Annotated[str | None, typer.Option(help="Check this backend alone.")] = None,
    conn_id: Annotated[
        str | None, typer.Option(help="Check this connection instead of the default; needs --backend.")
    ] = None,
) -> None:
    """Check that packages are installed, connections exist and the services answer.

    Exits with 1 when something that is installed and configured does not work.
    """
    if conn_id and not backend:
        raise typer.BadParameter("needs --backend", param_hint="--conn-id")
    # Connections of the metadata database are read as Airflow's own commands read them.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    try:
        entries = [backend_entry(backend)] if backend else list(backends())
    except JobsError as error:
        raise typer.BadParameter(str(error), param_hint="--backend") from None
    findings = [_airflow(), *(finding for entry in entries for finding in _check(entry, conn_id))]
    _show(findings)
    raise typer.Exit(1 if any(finding.good is False for finding in findings) else 0)


def _airflow() -> Finding:
    from airflow import __version__ as airflow_version

    try:
        from airflow.sdk.execution_time.context import TaskStateStoreAccessor  # noqa: F401
    except ImportError:
        says = "no task state store: retries adopt only jobs that still run (needs Airflow 3.3)"
    else:
        says = "with task state store"
    return Finding("Airflow", True, f"{airflow_version}, airflow-provider-jobs {__version__}; {says}")


def _check(entry: BackendEntry, conn_id: str | None) -> Iterator[Finding]:
    try:
        entry.check_installed()
    except MissingExtra as missing:
        yield Finding(entry.title, None, str(missing))
        return
    wanted = conn_id or entry.conn_id
    try:
        good, says = load(entry.hook)(wanted).test_connection()
    except JobsError as error:
        # A default connection that nobody has made is no fault; one that was asked for by name is.
        yield Finding(f"{entry.title}: {wanted}", False if conn_id else None, str(error))
        return
    yield Finding(f"{entry.title}: {wanted}", good, says)


def _show(findings: list[Finding]) -> None:
    words = {True: "[green]works[/]", False: "[red]fails[/]", None: "[yellow]not set up[/]"}
    table = Table("subject", "", "what was found", box=None, pad_edge=False)
    for finding in findings:
        # As plain text: markup would swallow the [gcp] of an extra.
        table.add_row(finding.subject, words[finding.good], Text(finding.says))
    Console().print(table)
