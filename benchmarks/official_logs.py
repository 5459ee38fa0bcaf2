"""How live lines are in the official operators, as far as one shows any while its job runs.

It is AWS Batch's, in a worker that waits itself (``deferrable=False``) and reads the stream of each task in a
thread of its own. That of Kubernetes reads when the job is over, the other three show none.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import structlog
from airflow.sdk import DAG

from benchmarks.cloud import Meter, local_cloud
from benchmarks.logs import SCRIPT, figures
from benchmarks.operators import official_operator, prepare_official
from benchmarks.services import Service
from benchmarks.submit import task_context

SERVICES_WITH_LINES = ("aws_batch",)
# The operator writes the line's own time into the text.
_LINE = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] line \d+")


class _Lines:
    """How late the lines stand in the log."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.last_at = 0.0

    def __call__(self, _logger: Any, _method: str, event: Any) -> Any:
        found = _LINE.match(str(event.get("event")))
        if found is None:
            raise structlog.DropEvent
        self.last_at = time.time()
        written = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=timezone.utc)
        self.delays.append(self.last_at - written.timestamp())
        return event


def measure(
    service: Service, *, jobs: int, lines_per_second: float, seconds: float, told: Callable[[str], None]
) -> dict[str, Any]:
    """Let jobs print lines, and as many official operators wait for them, each in a thread.

    A worker process for each, as Airflow has them, would cost more and read as often.
    """
    count = max(1, round(lines_per_second * seconds))
    command = ("/bin/sh", "-c", SCRIPT.format(count=count, pause=1 / lines_per_second))
    lines = _Lines()
    before = structlog.get_config()
    with local_cloud(service, "--max-processes", str(jobs)) as cloud:
        told(f"{service.name} official: {jobs} jobs print {count} lines each")
        prepare_official(service, command)
        structlog.configure(
            processors=[lines, structlog.processors.JSONRenderer(default=str)],
            logger_factory=lambda *_: structlog.testing.CapturingLogger(),
            cache_logger_on_first_use=False,
        )
        try:
            operators = [_operator(service, f"printing-{number}") for number in range(jobs)]
            meter, began, began_at = Meter(cloud), time.monotonic(), time.time()
            with ThreadPoolExecutor(jobs) as pool:
                list(pool.map(_execute, operators))
            calls, minutes = meter.calls(), (time.monotonic() - began) / 60
        finally:
            structlog.configure(**before)
    return figures(
        jobs=jobs,
        lines_written=jobs * count,
        delays=lines.delays,
        line_seconds=lines.last_at - began_at,
        calls=calls,
        minutes=minutes,
    )


def _operator(service: Service, name: str) -> Any:
    with DAG("printing", schedule=None):
        operator = official_operator(service, task_id="job", job=name, command=(), interval_seconds=None)
    operator.deferrable, operator.awslogs_enabled = False, True
    return operator


def _execute(operator: Any) -> None:
    operator.execute(task_context(operator, operator.job_name))
