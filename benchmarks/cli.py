"""The command line: one subcommand for each thing that is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.machine import airflow_home
from benchmarks.output import show, told
from benchmarks.services import SERVICES, Service

app = typer.Typer(
    help="Measure our operators side by side with the official ones, on the local cloud.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Backend = Annotated[str, typer.Option(help=f"One of {', '.join(SERVICES)}.")]
Jobs = Annotated[int, typer.Option(min=2, help="How many jobs.")]
Interval = Annotated[float, typer.Option(min=0.5, help="Seconds between two looks at a job.")]
Seconds = Annotated[float, typer.Option(min=0.5, help="How long.")]
OwnInterval = Annotated[
    float | None,
    typer.Option(min=0.5, help="Seconds between two looks at a job.", show_default="each operator's own"),
]
# All commands can be given the same arguments.
Unused = Annotated[float | None, typer.Option(hidden=True)]
OfficialJobs = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="How many for the official side; 0 leaves it out. As many as ours, if bounded time allows.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on the last line.")]


@app.callback()
def main(context: typer.Context) -> None:
    """Give Airflow a home of its own for as long as the command runs."""
    context.with_resource(airflow_home())


@app.command()
def polling(  # noqa: PLR0917 - one per option
    backend: Backend = "gcp_batch",
    jobs: Jobs = 1000,
    interval: Interval = 10.0,
    seconds: Seconds = 60.0,
    official_jobs: OfficialJobs = None,
    as_json: AsJson = False,
) -> None:
    """Cost of waiting: calls, memory, event loop and CPU; and how soon an end is seen."""
    from benchmarks.polling import measure

    service = _service(backend)
    values: dict[str, Any] = {"interval_seconds": interval, "seconds": seconds, "told": told}
    ours = measure("ours", service, jobs=jobs, **values)
    theirs = _official_jobs(service, jobs, official_jobs)
    official = measure("official", service, jobs=theirs, **values) if theirs else None
    show(f"{jobs} jobs waiting on {backend}", ours, official, as_json=as_json)


@app.command()
def imports(  # noqa: PLR0917 - one per option
    backend: Annotated[str | None, typer.Option(help="Only this one.", show_default=False)] = None,
    times: Annotated[int, typer.Option(min=1, help="Imports of which the median counts.")] = 5,
    jobs: Unused = None,  # noqa: ARG001
    interval: Unused = None,  # noqa: ARG001
    seconds: Unused = None,  # noqa: ARG001
    as_json: AsJson = False,
) -> None:
    """Cost of an operator's import in a DAG file."""
    from benchmarks.imports import measure

    services = [_service(backend)] if backend else list(SERVICES.values())
    ours = measure("ours", services, times=times, told=told)
    official = measure("official", services, times=times, told=told)
    show("Import of an operator", ours, official, as_json=as_json)


@app.command()
def throughput(  # noqa: PLR0917 - one per option
    backend: Backend = "gcp_batch",
    jobs: Jobs = 300,
    interval: OwnInterval = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="What a job takes.")] = 1.0,
    within: Annotated[float, typer.Option(min=10, help="Seconds that a DAG run may take.")] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Many short jobs through a real Airflow on PostgreSQL: how long, and how many fail for no reason."""
    from psycopg import OperationalError

    from benchmarks.throughput import measure

    try:
        found = measure(
            _service(backend),
            jobs=jobs,
            job_seconds=seconds,
            interval_seconds=interval,
            within_seconds=within,
            told=told,
        )
    except OperationalError as error:
        typer.echo(f"no PostgreSQL, see tests/postgres.py for where it is looked for: {error}", err=True)
        raise typer.Exit(2) from None
    ours = {**found["worker"], "worker": found["worker"], "triggerer": found["triggerer"]}
    show(f"{jobs} jobs of {seconds:g} s on {backend}", ours, found.get("official"), as_json=as_json)


@app.command()
def outage(  # noqa: PLR0917 - one per option
    backend: Backend = "gcp_batch",
    jobs: Jobs = 100,
    interval: Interval = 5.0,
    seconds: Seconds = 90.0,
    official_jobs: OfficialJobs = None,
    as_json: AsJson = False,
) -> None:
    """Tasks that fail while their service answers with errors alone, and how soon the others go on."""
    from benchmarks.outage import measure

    service = _service(backend)
    values: dict[str, Any] = {"interval_seconds": interval, "seconds": seconds, "told": told}
    ours = measure("ours", service, jobs=jobs, **values)
    theirs = _official_jobs(service, jobs, official_jobs)
    official = measure("official", service, jobs=theirs, **values) if theirs else None
    show(f"{backend} in trouble for {seconds:g} s", ours, official, as_json=as_json)


@app.command()
def logs(  # noqa: PLR0917 - one per option
    backend: Backend = "gcp_batch",
    jobs: Jobs = 20,
    seconds: Seconds = 20.0,
    interval: OwnInterval = None,
    lines: Annotated[float, typer.Option(min=0.1, help="Lines per second of each job.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """How live the lines of jobs are. Of the official operators AWS Batch's shows any, undeferred."""
    from benchmarks import official_logs
    from benchmarks.logs import measure

    service = _service(backend)
    values: dict[str, Any] = {"jobs": jobs, "lines_per_second": lines, "seconds": seconds, "told": told}
    ours = measure(service, interval_seconds=interval, **values)
    has_lines = backend in official_logs.SERVICES_WITH_LINES
    official = official_logs.measure(service, **values) if has_lines else None
    show(f"Lines of {jobs} jobs on {backend}", ours, official, as_json=as_json)


@app.command()
def flood(
    backend: Backend = "kubernetes",
    lines: Annotated[int, typer.Option(min=1, help="How many lines, of all indexes together.")] = 1_000_000,
    indexes: Annotated[int, typer.Option(min=1, help="Of how many indexes.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Whether a great many lines arrive, each once and in order. No official operator has such a log."""
    from benchmarks.flood import measure

    ours = measure(_service(backend), lines=lines, indexes=indexes, told=told)
    show(f"{lines} lines of {indexes} indexes on {backend}", ours, None, as_json=as_json)


@app.command()
def submit(  # noqa: PLR0917 - one per option
    backend: Backend = "gcp_batch",
    jobs: Jobs = 200,
    threads: Annotated[int, typer.Option(min=1, help="How many submit at a time.")] = 1,
    interval: Unused = None,  # noqa: ARG001
    seconds: Unused = None,  # noqa: ARG001
    official_jobs: OfficialJobs = None,
    as_json: AsJson = False,
) -> None:
    """Submissions per second of one worker process, look-up included."""
    from benchmarks.operators import OFFICIAL
    from benchmarks.submit import measure

    service = _service(backend)
    ours = measure("ours", service, jobs=jobs, threads=threads, told=told)
    theirs = _official_jobs(service, jobs, official_jobs) if backend in OFFICIAL else 0
    official = measure("official", service, jobs=theirs, threads=threads, told=told) if theirs else None
    show(f"Submission on {backend}", ours, official, as_json=as_json)


@app.command()
def report(
    small: Annotated[bool, typer.Option("--small", help="Tiny sizes: only whether it works.")] = False,
    to: Annotated[Path | None, typer.Option(help="Where to.", show_default="benchmarks/README.md")] = None,
) -> None:
    """Measure everything and write the README."""
    from benchmarks.report import FULL, README, SMALL, write

    write(SMALL if small else FULL, to or README)


def _official_jobs(service: Service, ours: int, asked: int | None) -> int:
    return min(ours, service.official_most) if asked is None else asked


def _service(name: str) -> Service:
    if name not in SERVICES:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(SERVICES)}", param_hint="--backend")
    return SERVICES[name]
