"""The command ``airflow-jobs``: lists its parts at once, and imports only the part that was asked for.

It must not import Airflow, the local cloud or a vendor package by itself: ``--help`` has to be quick and has
to work without any extra.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import typer


@dataclass(frozen=True)
class Part:
    """A command that lives in a module of its own.

    :param target: ``module:attribute``, a :class:`typer.Typer` or a function
    :param extra: the extra of this package that holds what the module imports
    """

    name: str
    says: str
    target: str
    extra: str


PARTS = (
    Part(
        "emulator",
        "Run the local cloud, which speaks the services' own protocols on loopback.",
        "airflow_provider_jobs.emulator.cli:app",
        "emulator",
    ),
    Part(
        "demo",
        "Run the example DAGs on a real Airflow and the local cloud.",
        "airflow_provider_jobs.demo.cli:demo",
        "all",
    ),
    Part(
        "doctor",
        "Check that packages are installed, connections exist and the services answer.",
        "airflow_provider_jobs.doctor:doctor",
        "all",
    ),
    Part(
        "doctor",
        "Check that packages are installed, connections exist and the services answer.",
        "airflow_provider_jobs.doctor:doctor",
        "all",
    ),
)


class ExtraMissing(Exception):
    """A package that only an extra installs is not there; the message says what to install."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``airflow-jobs`` with these arguments, or with those of the process, and exit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    app = typer.Typer(name="airflow-jobs", add_completion=False, no_args_is_help=True)
    app.callback()(_describe)
    try:
        for part in PARTS:
            _mount(app, part, wanted=part.name in given[:1])
    except ExtraMissing as missing:
        typer.echo(str(missing), err=True)
        raise SystemExit(1) from None
    app(given, prog_name="airflow-jobs")


def _describe() -> None:
    """Container jobs on five clouds as Airflow tasks."""


def _mount(app: typer.Typer, part: Part, *, wanted: bool) -> None:
    loaded = _load(part) if wanted else _unloaded
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=part.name, help=part.says)
    else:
        app.command(part.name, help=part.says)(loaded)


def _load(part: Part) -> typer.Typer | Callable[..., None]:
    module, _, attribute = part.target.partition(":")
    try:
        loaded = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == __package__:
            raise
        raise ExtraMissing(
            f"airflow-jobs {part.name} needs the package {missing.name}: "
            f"pip install 'airflow-provider-jobs[{part.extra}]'"
        ) from missing
    if not isinstance(loaded, typer.Typer) and not callable(loaded):
        raise TypeError(f"{part.target} is neither a typer.Typer nor a function")
    return loaded


def _unloaded() -> None:
    """Stand in the list of commands for a part that this call does not run."""
