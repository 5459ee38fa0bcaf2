"""What the system reports of containers: the lines of ``run.googleapis.com/varlog/system``.

It exists because people look there for exit codes, signals and timeouts. Wording as in public log entries.
It must never write a variable's value.
"""

from __future__ import annotations

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator.resources import memory_bytes
from airflow_provider_jobs.emulator.jobs import AttemptEnd, EndReason, Event, Job, Task
from airflow_provider_jobs.emulator.logstore import LogLine, LogStore

_TASK_TIMEOUT_PAGE = "https://cloud.google.com/run/docs/configuring/task-timeout"
_KILLED = 9
_MEMORY_PAGE = "https://cloud.google.com/run/docs/configuring/memory-limits"
#: The severity of the lines, by what they begin with.
SEVERITIES = {
    "Container called exit(0).": "INFO",
    "Container called exit(": "WARNING",
    "Container terminated on signal": "WARNING",
}


class SystemLog:
    """Listens to the engine and writes a line about every attempt's end."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs

    def task_changed(self, job: Job, task: Task, event: Event) -> None:
        if event.end is None:
            return
        template = job.data.message.template
        for step, end in _ends(event.end, containers=len(template.containers)):
            for text in _lines(end, template):
                spec = job.spec
                line = LogLine(spec.dialect, spec.uid, task.index, task.attempt, step, "system", text)
                self._logs.append(line)


def _ends(end: AttemptEnd, *, containers: int) -> list[tuple[int, AttemptEnd]]:
    """How each container ended, and the attempt if that was not by a container alone."""
    ends = [(step, one) for step, one in enumerate(end.steps) if one is not None]
    if ends and end.reason is EndReason.EXITED:
        return ends
    return [*ends, (containers - 1, end)]


def severity(text: str) -> str:
    """The severity of a system line."""
    return next((level for start, level in SEVERITIES.items() if text.startswith(start)), "ERROR")


def _lines(end: AttemptEnd, template: pb.TaskTemplate) -> list[str]:
    if end.reason is EndReason.TIMED_OUT:
        seconds = template.timeout.seconds
        limit = f"Terminating task because it has reached the maximum timeout of {seconds} seconds."
        return [f"{limit} To change this limit, see {_TASK_TIMEOUT_PAGE}"]
    if end.reason is EndReason.REFUSED:
        return [end.message]
    if end.reason is EndReason.OUT_OF_MEMORY:
        return [_out_of_memory(template), f"Container terminated on signal {_KILLED}."]
    if end.reason is not EndReason.EXITED:
        return []
    if end.exit_code < 0:
        return [f"Container terminated on signal {-end.exit_code}."]
    return [f"Container called exit({end.exit_code})."]


def _out_of_memory(template: pb.TaskTemplate) -> str:
    limits = (memory_bytes(container.resources.limits["memory"]) or 0 for container in template.containers)
    mebibytes = max(limits) >> 20
    exceeded = f"Memory limit of {mebibytes} MiB exceeded with {mebibytes + 1} MiB used."
    return f"{exceeded} Consider increasing the memory limit, see {_MEMORY_PAGE}"
