"""Measures everything and writes ``benchmarks/README.md``; ``make bench``.

It measures one thing after the other, since two at a time would measure each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import flood, imports, logs, official_logs, outage, polling, submit, throughput
from benchmarks.machine import describe_machine
from benchmarks.operators import OFFICIAL
from benchmarks.output import as_text, machine_line, markdown_table, told
from benchmarks.services import SERVICES
from benchmarks.waited import Side

Figures = dict[str, Any]

README = Path(__file__).parent / "README.md"
_TEXT = Path(__file__).parent / "method.md"


@dataclass(frozen=True)
class Round:
    """One run of the polling benchmark; see :func:`benchmarks.polling.measure`."""

    backend: str
    side: Side
    jobs: int
    interval_seconds: float = 10.0
    seconds: float = 30.0


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    polling: tuple[Round, ...]
    import_times: int
    throughput_jobs: int
    outage_jobs: int
    outage_seconds: float
    log_jobs: int
    log_seconds: float
    flood_lines: int
    flood_indexes: int
    submit_jobs: int


_OTHERS: tuple[tuple[Side, int], ...] = (("ours", 1_000), ("official", 100))
# What the README shows, in about 35 minutes. The interval of 30 s is that of the goal for CPU.
FULL = Sizes(
    polling=(
        Round("gcp_batch", "ours", 100),
        Round("gcp_batch", "ours", 1_000),
        Round("gcp_batch", "ours", 10_000, interval_seconds=30, seconds=90),
        Round("gcp_batch", "official", 100),
        Round("gcp_batch", "official", 1_000),
        *(
            Round(backend, side, jobs, interval_seconds=5, seconds=15)
            for backend in ("cloud_run", "aws_batch", "azure_batch", "kubernetes")
            for side, jobs in _OTHERS
        ),
    ),
    import_times=5,
    throughput_jobs=300,
    outage_jobs=100,
    outage_seconds=40,
    log_jobs=20,
    log_seconds=20,
    flood_lines=1_000_000,
    flood_indexes=100,
    submit_jobs=200,
)
# To see within minutes that everything works.
SMALL = Sizes(
    polling=(
        Round("gcp_batch", "ours", 20, interval_seconds=1, seconds=3),
        Round("gcp_batch", "official", 20, interval_seconds=1, seconds=3),
    ),
    import_times=1,
    throughput_jobs=4,
    outage_jobs=4,
    outage_seconds=5,
    log_jobs=2,
    log_seconds=3,
    flood_lines=2_000,
    flood_indexes=4,
    submit_jobs=5,
)


def write(sizes: Sizes, path: Path) -> None:
    """Measure, and write the README anew after each part. A part that fails says so in its place."""
    began = time.monotonic()
    machine = describe_machine()
    parts: list[str] = []
    for title, part in _PARTS.items():
        told(f"== {title}")
        try:
            text = part(sizes)
        except Exception as error:  # noqa: BLE001 - the other figures are worth having
            text = _not_measured(title, error)
        parts.append(f"## {title}\n\n{text}\n")
        head = _head(machine, minutes=(time.monotonic() - began) / 60)
        path.write_text("\n".join([head, *parts, _TEXT.read_text()]))


def _not_measured(what: str, error: Exception) -> str:
    told(f"{what}: {error!r}")
    return f"Not measured: {type(error).__name__}."


def _head(machine: Figures, *, minutes: float) -> str:
    providers = ", ".join(f"{name} {machine[name]}" for name in ("google", "amazon", "azure", "kubernetes"))
    return (
        f"# Benchmarks\n\nMeasured in {minutes:.0f} minutes on {machine_line(machine)}.\n"
        f"Airflow's providers: {providers}. Load of the machine before: {machine['load']}.\n"
    )


def _polling(sizes: Sizes) -> str:
    head = (
        "waiting jobs",
        "interval s",
        "API calls per interval",
        "memory per job KiB",
        "longest block s",
        "CPU %",
        "end to event p50 s",
        "p99 s",
        "start-up s",
        "local cloud's CPU %",
    )
    rows, notes = [], []
    for each in sizes.polling:
        name = f"{each.backend} {each.side}, {each.jobs:,}"
        try:
            figures = polling.measure(
                each.side,
                SERVICES[each.backend],
                jobs=each.jobs,
                interval_seconds=each.interval_seconds,
                seconds=each.seconds,
                told=told,
            )
        except Exception as error:  # noqa: BLE001 - the other rows are worth having
            notes.append(f"- {name}: {_not_measured(name, error)}")
            continue
        rows.append([name, *(figures.get(key) for key in _POLLING)])
        notes.append(f"- {name}: {as_text(figures['calls']) or 'no call'} in {as_text(each.seconds)} s")
        if figures["undetected"] or figures["failed_triggers"]:
            notes.append(
                f"  - {figures['undetected']} ends without an event, "
                f"{figures['failed_triggers']} triggers failed"
            )
    return "\n".join([markdown_table(head, rows), "", "Calls, as the local cloud counted them:", "", *notes])


_POLLING = (
    "interval_seconds",
    "api_calls_per_interval",
    "rss_kib_per_job",
    "loop_block_max_seconds",
    "cpu_percent",
    "detect_p50_seconds",
    "detect_p99_seconds",
    "startup_seconds",
    "cloud_cpu_percent",
)


def _imports(sizes: Sizes) -> str:
    sides: dict[Side, Figures] = {
        side: imports.measure(side, list(SERVICES.values()), times=sizes.import_times, told=told)[
            "by_backend"
        ]
        for side in ("ours", "official")
    }
    head = (
        "operator",
        "ours s",
        "modules",
        "after DAG s",
        "official s",
        "modules",
        "after DAG s",
    )
    keys = ("seconds", "modules", "after_dag_seconds")
    rows = [[name, *(sides[side][name][key] for side in sides for key in keys)] for name in SERVICES]
    return markdown_table(head, rows)


def _throughput(sizes: Sizes) -> str:
    found = throughput.measure(
        SERVICES["gcp_batch"],
        jobs=sizes.throughput_jobs,
        job_seconds=1.0,
        interval_seconds=None,
        within_seconds=300.0,
        told=told,
    )
    names = {
        "worker": "ours, submitted by workers",
        "triggerer": "ours, submitted by the triggerer",
        "official": "official, deferrable",
    }
    keys = ("jobs", "seconds", "succeeded", "failed", "unfinished")
    return _table("GCP Batch", keys, {names[mode]: figures for mode, figures in found.items()})


def _outage(sizes: Sizes) -> str:
    values: dict[str, Any] = {"interval_seconds": 5.0, "seconds": sizes.outage_seconds, "told": told}
    found = {
        f"{name} {side}": outage.measure(side, SERVICES[name], jobs=sizes.outage_jobs, **values)
        for name in ("gcp_batch",)
        for side in _SIDES
    }
    keys = ("jobs", "outage_seconds", "failed_tasks", "lost_tasks", "recovered_seconds", "calls_in_outage")
    return _table("service", keys, found)


def _logs(sizes: Sizes) -> str:
    values: dict[str, Any] = {
        "jobs": sizes.log_jobs,
        "lines_per_second": 5.0,
        "seconds": sizes.log_seconds,
        "told": told,
    }
    found = {
        f"{name} ours": logs.measure(service, interval_seconds=None, **values)
        for name, service in SERVICES.items()
    }
    for name in official_logs.SERVICES_WITH_LINES:
        found[f"{name} official, not deferred"] = official_logs.measure(SERVICES[name], **values)
    keys = (
        "jobs",
        "lines_written",
        "lines_read",
        "lines_per_second",
        "delay_p50_seconds",
        "delay_p99_seconds",
        "calls_per_minute",
        "log_reads_per_minute",
    )
    return f"{_table('service', keys, found)}\n\n{_OFFICIAL_LOG}"


_OFFICIAL_LOG = (
    "No official operator shows a line while its task is deferred. AWS Batch's shows them in a worker that"
    " waits itself; that of Kubernetes shows them when the job is over, the other three never."
)


def _flood(sizes: Sizes) -> str:
    found = {
        name: flood.measure(service, lines=sizes.flood_lines, indexes=sizes.flood_indexes, told=told)
        for name, service in SERVICES.items()
    }
    keys = (
        "indexes",
        "lines_written",
        "lines_read",
        "checksums_right",
        "seconds",
        "most_lines_held",
        "memory_mib",
        "loop_block_max_seconds",
    )
    return _table("ours", keys, found)


def _submit(sizes: Sizes) -> str:
    found = {
        f"{name} {side}": submit.measure(side, SERVICES[name], jobs=sizes.submit_jobs, threads=1, told=told)
        for name in OFFICIAL
        for side in _SIDES
    }
    return _table("service", ("jobs", "jobs_per_second", "calls_per_job", "cpu_seconds_per_job"), found)


_SIDES: tuple[Side, ...] = ("ours", "official")
_PARTS: Mapping[str, Callable[[Sizes], str]] = {
    "Waiting": _polling,
    "Many short jobs through a real Airflow": _throughput,
    "Submission": _submit,
    "Import": _imports,
    "A service in trouble": _outage,
    "Lines in the task's log": _logs,
    "A flood of lines": _flood,
}


def _table(first: str, keys: Sequence[str], found: Mapping[str, Figures]) -> str:
    return markdown_table(
        [first, *map(_spoken, keys)], [[name, *_values(figures, keys)] for name, figures in found.items()]
    )


def _values(figures: Figures, keys: Sequence[str]) -> Iterator[Any]:
    for key in keys:
        yield figures.get(key)


def _spoken(key: str) -> str:
    text = key.replace("_", " ")
    return f"{text.removesuffix(' seconds')} s" if text.endswith(" seconds") else text
