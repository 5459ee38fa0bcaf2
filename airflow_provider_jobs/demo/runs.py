"""Following the runs of DAGs through the REST API, one look at a time.

This module sees and remembers; it must not print, and must not decide whether what it sees is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.demo.promises import Outcome
from airflow_provider_jobs.demo.rest import FINISHED_RUN_STATES, AirflowRest, seconds_between

FINISHED_TASK_STATES = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
_LIVE_TASK_STATES = frozenset({"running", "deferred"})


@dataclass(frozen=True)
class TaskView:
    """One task at one moment.

    :param array: indexes that succeeded and indexes there are, once the job reported them
    :param last_line: the newest line of the log while the task is alive, else empty
    """

    dag_id: str
    run_id: str
    task_id: str
    state: str | None
    backend: str | None
    array: str | None
    duration_seconds: float | None
    last_line: str

    @property
    def finished(self) -> bool:
        """Whether the state is final."""
        return self.state in FINISHED_TASK_STATES


class FollowedRun:
    """One run of one DAG, from its start to its end.

    :param run_id: a name that the DAG has no run of yet; Airflow chooses one where none is given
    """

    def __init__(self, rest: AirflowRest, dag_id: str, *, run_id: str | None = None) -> None:
        self._rest = rest
        self.dag_id = dag_id
        self.run_id = rest.trigger(dag_id, run_id=run_id)
        self.state = "queued"
        self.tasks: dict[str, TaskView] = {}

    @property
    def finished(self) -> bool:
        """Whether the run's state is final."""
        return self.state in FINISHED_RUN_STATES

    def look(self) -> None:
        """Read the run again, if it can still change."""
        if self.finished:
            return
        self.state = self._rest.run_state(self.dag_id, self.run_id)
        for instance in self._rest.task_instances(self.dag_id, self.run_id):
            known = self.tasks.get(instance["task_id"])
            if known is None or not known.finished:
                self.tasks[instance["task_id"]] = self._view(instance)

    def outcome(self, task_id: str) -> Outcome:
        """How a task ended; an empty outcome when the run has no such task."""
        view = self.tasks.get(task_id)
        if view is None:
            return Outcome(state=None)
        records = self._rest.log_records(self.dag_id, self.run_id, task_id)
        return Outcome(
            state=view.state,
            backend=view.backend,
            array=view.array,
            returned=self._rest.xcom(self.dag_id, self.run_id, task_id),
            log="\n".join(str(record["event"]) for record in records),
            error="\n".join(_error_texts(records)),
        )

    def _view(self, instance: Mapping[str, Any]) -> TaskView:
        task_id, state = instance["task_id"], instance["state"]
        job = self._rest.xcom(self.dag_id, self.run_id, task_id, key="job")
        return TaskView(
            dag_id=self.dag_id,
            run_id=self.run_id,
            task_id=task_id,
            state=state,
            backend=job["backend"] if job else None,
            array=_array_in_words(job),
            duration_seconds=seconds_between(instance["start_date"], instance["end_date"]),
            last_line=self._last_line(task_id) if state in _LIVE_TASK_STATES else "",
        )

    def _last_line(self, task_id: str) -> str:
        events = [
            str(record["event"]) for record in self._rest.log_records(self.dag_id, self.run_id, task_id)
        ]
        spoken = [event for event in events if event and not event.startswith("::")]
        return spoken[-1].splitlines()[-1] if spoken else ""


def _array_in_words(job: Mapping[str, Any] | None) -> str | None:
    array = (job or {}).get("array")
    return f"{array['succeeded']}/{array['size']}" if array else None


def _error_texts(records: list[dict[str, Any]]) -> list[str]:
    return [
        f"{error.get('exc_type')}: {error.get('exc_value')}"
        for record in records
        for error in record.get("error_detail") or ()
    ]
