"""What Airflow's database knows of a task's job. It reads only, and only for who may read the DAG.

While a task waits, its job stands in the arguments of its trigger, or, where that has submitted it, soon in
XCom; when it is over, in XCom.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from airflow.models import TaskInstance
from airflow.models.trigger import Trigger
from airflow.models.xcom import XComModel
from pydantic import BeforeValidator, ValidationError
from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.orm import Session, aliased

from airflow_provider_jobs.core.models import JobHandle, JobSummary
from airflow_provider_jobs.core.moments import DateTime
from airflow_provider_jobs.core.progress import JobProgress
from airflow_provider_jobs.core.wire import Wire
from airflow_provider_jobs.engine.plan import WaitPlan

WireT = TypeVar("WireT", bound=Wire)

# So many rows are as much as a person reads, and a page has time for.
MOST_JOBS = 500
MAP_INDEX_PLACE = "{MAP_INDEX}"
MOST_FILES = 50
_TRIGGERS = "airflow_provider_jobs.triggers."


def _map_index(told: object) -> object:
    """Return what Airflow's UI means: for a task that is not mapped it leaves the name of the place there."""
    return -1 if told == MAP_INDEX_PLACE else told


class TaskAddress(Wire):
    """Which task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: Annotated[int, BeforeValidator(_map_index)] = -1

    @property
    def path(self) -> str:
        """Return where Airflow shows it, as seen from a page of the plugin."""
        dag_id, run_id, task_id = (quote(name, safe="") for name in (self.dag_id, self.run_id, self.task_id))
        mapped = f"/mapped/{self.map_index}" if self.map_index >= 0 else ""
        return f"../dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}"


class JobView(Wire):
    """A task instance and its job, as far as there is one.

    :param handle: of the job that is waited for now
    :param summary: of the job that has ended
    :param progress: what it last said
    """

    version: Literal[1] = 1
    task: TaskAddress
    state: str | None = None
    try_number: int = 0
    waiting_since: DateTime | None = None
    handle: JobHandle | None = None
    summary: JobSummary | None = None
    progress: JobProgress | None = None

    @property
    def is_waiting(self) -> bool:
        """Return whether the job is being waited for."""
        return self.state in ("deferred", "running", "queued", "scheduled")

    @property
    def output_files(self) -> list[tuple[str, str]]:
        """Return names, with the index of an array in front, and addresses; as many as a person reads."""
        return self._all_output_files()[:MOST_FILES]

    @property
    def more_output_files(self) -> int:
        """Return how many others there are."""
        return max(0, len(self._all_output_files()) - MOST_FILES)

    def _all_output_files(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        told = (self.summary and self.summary.output_files) or {}
        for name, value in told.items():
            of_index = value.items() if isinstance(value, dict) else [("", value)]
            found += [(f"{name} {below}".rstrip(), str(address)) for below, address in of_index]
        return found

    @property
    def service(self) -> str | None:
        """Return the name of the job's service."""
        if self.handle:
            return self.handle.ref.backend
        return self.summary.backend if self.summary else None


def job_of(session: Session, task: TaskAddress) -> JobView | None:
    """Return a task instance with its job, ``None`` where there is no such task instance."""
    wanted = (getattr(TaskInstance, name) == value for name, value in task.model_dump().items())
    found = session.execute(_rows().where(*wanted)).first()
    return None if found is None else _view(*found)


def waiting_jobs(session: Session, dag_ids: Collection[str]) -> list[JobView]:
    """Return the jobs that are waited for in some DAGs, those that have waited longest first.

    At most :data:`MOST_JOBS`.
    """
    are_ours = Trigger.classpath.startswith(_TRIGGERS)
    rows = _rows().where(are_ours, TaskInstance.dag_id.in_(dag_ids))
    found = session.execute(rows.order_by(Trigger.created_date).limit(MOST_JOBS))
    return [_view(*row) for row in found]


def _rows() -> Select[Any, Any, Any, Any]:
    """Ask in one query for task instances, each with its trigger and what it has in XCom, if anything."""
    summary, progress = aliased(XComModel), aliased(XComModel)
    return (
        select(TaskInstance, Trigger, summary, progress)
        .outerjoin(Trigger, TaskInstance.trigger_id == Trigger.id)
        .outerjoin(summary, _is_of_task(summary, "job"))
        .outerjoin(progress, _is_of_task(progress, "job_progress"))
    )


def _is_of_task(xcom: type[XComModel], key: str) -> ColumnElement[bool]:
    names = ("dag_id", "run_id", "task_id", "map_index")
    same = (getattr(xcom, name) == getattr(TaskInstance, name) for name in names)
    return and_(*same, xcom.key == key)


def _view(
    ti: TaskInstance, trigger: Trigger | None, summary: XComModel | None, progress: XComModel | None
) -> JobView:
    ours = trigger if trigger is not None and trigger.classpath.startswith(_TRIGGERS) else None
    said = _read(progress, JobProgress)
    if said and said.try_number not in (None, ti.try_number):
        said = None
    return JobView(
        task=TaskAddress(dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, map_index=ti.map_index),
        state=None if ti.state is None else str(getattr(ti.state, "value", ti.state)),
        try_number=ti.try_number,
        waiting_since=ours.created_date if ours else None,
        handle=(_handle(ours) or (said and said.handle)) if ours else None,
        summary=_read(summary, JobSummary),
        progress=said if said and said.is_told else None,
    )


def _handle(trigger: Trigger) -> JobHandle | None:
    """Return the job that a trigger waits for; one that has yet to submit it names none."""
    try:
        return WaitPlan.from_json(trigger.kwargs.get("plan")).handle
    except ValidationError:
        return None


def _read(row: XComModel | None, kind: type[WireT]) -> WireT | None:
    try:
        return None if row is None else kind.from_json(XComModel.deserialize_value(row))
    except ValidationError:
        return None  # a deployment's own XCom backend may keep a reference here
