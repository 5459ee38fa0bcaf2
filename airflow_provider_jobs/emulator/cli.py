"""The command line of the local cloud: start it in the foreground, or print the exports for Airflow.

It exists to be mounted as ``airflow-jobs emulator`` and to run alone. Heavy imports wait until the server
really starts.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer

from airflow_provider_jobs.emulator import readyfile
from airflow_provider_jobs.emulator.settings import Settings, default_ready_file

app = typer.Typer(
    help="The local cloud: run container jobs as local processes behind the services' own APIs."
)

ReadyFile = Annotated[Path | None, typer.Option(help="Where the ready file lies.", show_default=False)]


@app.callback(invoke_without_command=True)
def start(  # noqa: PLR0913, PLR0917 - one per option
    context: typer.Context,
    port_grpc: Annotated[int, typer.Option(help="0: any free port.")] = 0,
    port_http: Annotated[int, typer.Option(help="0: any free port.")] = 0,
    ready_file: ReadyFile = None,
    secrets_file: Annotated[Path | None, typer.Option(help="JSON of reference to value.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="For lines and scripts; default: temporary.")] = None,
    project: Annotated[str, typer.Option(help="Project in the printed connections.")] = "local-project",
    simulate_sleep: Annotated[
        bool,
        typer.Option("--simulate-sleep", help="Run a command that is exactly 'sleep N' without a process."),
    ] = False,
    max_processes: Annotated[int, typer.Option(min=1, help="Commands that run at one time.")] = 32,
    kill_grace_seconds: Annotated[float, typer.Option(min=0, help="From TERM to KILL.")] = 5.0,
    dialect: Annotated[list[str] | None, typer.Option(help="Serve these only. May be repeated.")] = None,
) -> None:
    """Start the local cloud in the foreground. Ends on TERM or INT, and every command with it."""
    if context.invoked_subcommand is not None:
        return
    settings = Settings(
        port_grpc=port_grpc,
        port_http=port_http,
        ready_file=ready_file or default_ready_file(),
        secrets_file=secrets_file,
        data_dir=data_dir,
        project=project,
        simulate_sleep=simulate_sleep,
        max_processes=max_processes,
        kill_grace_seconds=kill_grace_seconds,
        dialects=tuple(dialect or ()),
    )
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    _serve(settings)


def _serve(settings: Settings) -> None:
    from airflow_provider_jobs.emulator.dialects import DialectMissing
    from airflow_provider_jobs.emulator.secretfile import SecretFileError

    try:
        from airflow_provider_jobs.emulator.server import PortTaken, serve
    except ModuleNotFoundError as error:
        typer.echo(f"{error.name} is missing: pip install 'airflow-provider-jobs[emulator]'", err=True)
        raise typer.Exit(2) from None
    try:
        asyncio.run(serve(settings))
    except (DialectMissing, PortTaken, SecretFileError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


@app.command()
def env(ready_file: ReadyFile = None) -> None:
    """Print the exports that point Airflow at a running local cloud."""
    try:
        content = readyfile.read(ready_file or default_ready_file())
    except readyfile.NotReady as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    for line in readyfile.exports(content):
        typer.echo(line)
