"""``airflow-jobs demo``: the example DAGs on a real Airflow and the local cloud, from nothing to a table.

It must leave nothing running and nothing but logs behind, whatever ends it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import pendulum
import typer
from rich.console import Console
from rich.text import Text

from airflow_provider_jobs.core.errors import MissingExtra
from airflow_provider_jobs.core.registry import backend_entry
from airflow_provider_jobs.demo.local_airflow import USER, AirflowDidNotStart, LocalAirflow
from airflow_provider_jobs.demo.promises import FILE_NAME, DagPromise, broken, load_promises
from airflow_provider_jobs.demo.rest import AirflowApiError
from airflow_provider_jobs.demo.runs import FollowedRun, TaskView
from airflow_provider_jobs.demo.screen import ProgressScreen, print_results
from airflow_provider_jobs.demo.sessions import Leash
from airflow_provider_jobs.emulator.process import LocalCloud, LocalCloudFailed

DATABASE_VARIABLE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_LOOK_AGAIN_SECONDS = 0.7
_CHECKOUT = Path(__file__).parents[2]
_EXAMPLES = _CHECKOUT / "dags" if (_CHECKOUT / "dags" / FILE_NAME).exists() else Path("dags")
_PACKAGES_OF_THE_LOCAL_CLOUD = ("fastapi", "grpc", "uvicorn")

_QUEUED_SECONDS = 3.0


class DemoError(Exception):
    """The demo cannot run; the message says why and what to do."""


def demo(
    dag_ids: Annotated[list[str] | None, typer.Argument(help="Only these DAGs.", show_default="all")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave Airflow and the local cloud up until Ctrl-C.")
    ] = False,
    dags: Annotated[Path, typer.Option(help="Folder of DAGs with their promises.json.")] = _EXAMPLES,
    directory: Annotated[
        Path, typer.Option(help="For logs, which stay, and for the rest, which does not.")
    ] = Path(".demo"),
    timeout_seconds: Annotated[float, typer.Option(help="For all runs together.")] = 480.0,
) -> None:
    """Run the example DAGs and say whether each task did what its example promises.

    The metadata database is SQLite, or AIRFLOW__DATABASE__SQL_ALCHEMY_CONN where that is set.
    Exit code 0 only when every promise was kept.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit_on_signal)
    console = Console(width=None if Console().is_terminal else 160)
    try:
        with _exclusive(directory) as home:
            kept = _run(console, home, dags, dag_ids or [], keep=keep, timeout_seconds=timeout_seconds)
    except (DemoError, MissingExtra, AirflowDidNotStart, AirflowApiError, LocalCloudFailed) as error:
        console.print(Text.assemble(("The demo failed: ", "red"), str(error)))
        raise typer.Exit(1) from None
    raise typer.Exit(0 if kept else 1)


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _exclusive(directory: Path) -> Iterator[Path]:
    """Take the directory for one demo at a time, emptied of what an earlier one left there."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoError(f"another demo uses {directory}: end it, or pass --directory") from None
        for name in ("airflow", "logs"):
            shutil.rmtree(directory / name, ignore_errors=True)
        yield directory.absolute()


def _run(
    console: Console, home: Path, dags: Path, dag_ids: Sequence[str], *, keep: bool, timeout_seconds: float
) -> bool:
    promises = _chosen(dags, dag_ids)
    started = time.monotonic()
    console.print("Starting the local cloud and Airflow ...")
    with Leash() as leash:
        leash.hold_directory(home / "airflow")
        airflow = LocalAirflow(
            home / "airflow",
            dags,
            logs=home / "logs",
            leash=leash,
            sql_alchemy_conn=os.environ.get(DATABASE_VARIABLE),
        )
        with airflow, LocalCloud() as cloud:
            leash.hold_process(cloud.pid)
            leash.hold_directory(cloud.ready_file.parent)
            # A cloud takes a moment to find machines; so the states before RUNNING are seen, and the job's
            # first lines do not fall between those of the worker that is just handing it over.
            cloud.admin.hold("scheduled", delay_seconds=_QUEUED_SECONDS)
            airflow.start(cloud.connections)
            console.print(f"Both run after {time.monotonic() - started:.0f} s. Running {len(promises)} DAGs:")
            kept = _run_dags(console, airflow, promises, timeout_seconds=timeout_seconds)
            if keep:
                _stay(console, airflow, cloud)
    return kept


def _chosen(dags: Path, dag_ids: Sequence[str]) -> dict[str, DagPromise]:
    try:
        promises = load_promises(dags)
    except FileNotFoundError:
        raise DemoError(
            f"there is no {dags / FILE_NAME}: run this in a checkout of airflow-provider-jobs, or pass --dags"
        ) from None
    unknown = [dag_id for dag_id in dag_ids if dag_id not in promises]
    if unknown:
        raise DemoError(f"no example is called {', '.join(unknown)}; there are {', '.join(sorted(promises))}")
    chosen = {dag_id: promise for dag_id, promise in promises.items() if not dag_ids or dag_id in dag_ids}
    _check_installed(chosen.values())
    return chosen


def _check_installed(promises: Iterable[DagPromise]) -> None:
    for package in _PACKAGES_OF_THE_LOCAL_CLOUD:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra("The local cloud", "emulator", missing=package)
    for backend in {task.backend for promise in promises for task in promise.tasks.values() if task.backend}:
        backend_entry(backend).check_installed()


def _run_dags(
    console: Console, airflow: LocalAirflow, promises: dict[str, DagPromise], *, timeout_seconds: float
) -> bool:
    for dag_id, promise in promises.items():
        airflow.rest.wait_for_dag(dag_id)
        console.print(f"  [bold]{dag_id}[/bold]: {promise.says}", highlight=False)
    run_id = f"demo-{pendulum.now('UTC'):YYYYMMDD-HHmmss}"
    runs = [FollowedRun(airflow.rest, dag_id, run_id=run_id) for dag_id in promises]
    _follow(console, runs, deadline=time.monotonic() + timeout_seconds)
    failures = {
        (run.dag_id, task_id): lines
        for run in runs
        for task_id, promise in promises[run.dag_id].tasks.items()
        if (lines := broken(promise, run.outcome(task_id)))
    }
    views = _views(runs)
    logs = {
        (view.dag_id, view.task_id): airflow.task_log_file(view.dag_id, view.run_id, view.task_id)
        for view in views
    }
    print_results(console, views, broken=failures, logs=logs)
    return not failures


def _follow(console: Console, runs: Sequence[FollowedRun], *, deadline: float) -> None:
    with ProgressScreen(console) as screen:
        while True:
            for run in runs:
                run.look()
            screen.show(_views(runs))
            if all(run.finished for run in runs):
                return
            if time.monotonic() > deadline:
                console.print("[red]Not all runs ended in time.[/red]")
                return
            time.sleep(_LOOK_AGAIN_SECONDS)


def _views(runs: Sequence[FollowedRun]) -> list[TaskView]:
    return [view for run in runs for view in run.tasks.values()]


def _stay(console: Console, airflow: LocalAirflow, cloud: LocalCloud) -> None:
    console.print(f"\nAirflow       {airflow.address}   user {USER}   password {airflow.password}")
    console.print(f"Local cloud   http {cloud.http}   grpc {cloud.grpc}")
    console.print("Ctrl-C ends both.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Ending both.")
