"""A real Airflow under load on all five services, and what became of each task's jobs.

Jobs are not counted by what the code under fault says of them: each job writes into a file of its task
instance that it began and how it ended.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import FINISHED_RUN_STATES, AirflowApiError, AirflowRest, wait_until
from airflow_provider_jobs.demo.runs import FINISHED_TASK_STATES
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.faults.rows import Row
from tests.temporary_airflow import temporary_airflow

BACKENDS = ("gcp_batch", "cloud_run", "aws_batch", "azure_batch", "kubernetes")
_DAGS_FOLDER = Path(__file__).parent / "dags"
_LOOK_AGAIN_SECONDS = 0.2
_REST_SECONDS = 30.0
_ACTIVE = frozenset({"queued", "scheduled", "running"})

Settings = Mapping[str, Mapping[str, Any]]

# The API server works in up to 40 threads, and asks its database in its event loop too: with fewer
# connections than that it stands still for 30 seconds when all are taken.
LOAD_SETTINGS: Settings = {
    "core": {"parallelism": 12},
    "database": {"sql_alchemy_pool_size": 5, "sql_alchemy_max_overflow": 45},
}


@dataclass(frozen=True)
class Load:
    """What one run of the DAG does.

    :param dag_id: ``faults_load`` retries as often as need be, ``faults_burst`` never
    :param count: tasks on each service whose job a worker submits
    :param from_triggerer: tasks on each service that need none; the DAG file says how many
    :param lines: half seconds that a job takes
    :param fail_first: the tasks whose first job fails
    """

    dag_id: str
    count: int
    from_triggerer: int = 0
    lines: int = 0
    fail_first: tuple[int, ...] = ()


@dataclass(frozen=True)
class Deployment:
    """A running Airflow and the local cloud that its connections lead to."""

    airflow: LocalAirflow
    cloud: LocalCloud
    directory: Path

    @property
    def rest(self) -> AirflowRest:
        """The client of a logged-in user."""
        return self.airflow.rest


@contextmanager
def deployment(database: str, settings: Settings | None = None) -> Iterator[Deployment]:
    """Start Airflow on this database and the local cloud, and end both.

    :param database: SQLAlchemy's URL of an empty database
    :param settings: options by section of ``airflow.cfg``, beside :data:`LOAD_SETTINGS`
    """
    chosen = {**LOAD_SETTINGS, **(settings or {})}
    with (
        temporary_airflow(_DAGS_FOLDER, database, settings=chosen) as place,
        LocalCloud("--max-processes", "128") as cloud,
    ):
        place.leash.hold_process(cloud.pid)
        place.leash.hold_directory(cloud.ready_file.parent)
        place.airflow.start(cloud.connections)
        yield Deployment(place.airflow, cloud, place.directory)


class LoadRun:
    """One run of the DAG, from its start to the count of its jobs."""

    def __init__(self, place: Deployment, load: Load) -> None:
        self._place = place
        self._load = load
        self._records = Path(tempfile.mkdtemp(prefix="records-", dir=place.directory))
        conf = {
            "records": str(self._records),
            "count": load.count,
            "lines": load.lines,
            "fail_first": load.fail_first,
        }
        place.rest.wait_for_dag(load.dag_id)
        self._began = time.monotonic()
        self._run_id = place.rest.trigger(load.dag_id, conf=conf)

    @property
    def seconds(self) -> float:
        """How long the run has been going on."""
        return time.monotonic() - self._began

    def follow(self, meanwhile: Callable[[], None] = lambda: None, *, within_seconds: float) -> None:
        """Wait until every task has ended, at most so long; call ``meanwhile`` again and again."""
        while self.seconds < within_seconds and not self._is_over():
            meanwhile()
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _is_over(self) -> bool:
        state = self._place.rest.run_state(self._load.dag_id, self._run_id)
        return state in FINISHED_RUN_STATES

    def rows(self, fault: str) -> list[Row]:
        """What became of the tasks and their jobs, a row for each service; waits for cancels under way."""
        self._wait_for_rest()
        active = [job["dialect"] for job in self._active_jobs()]
        ends: dict[str, list[_End]] = {backend: [] for backend in BACKENDS}
        for backend, task_id, map_index, name in self._tasks():
            ends[backend].append(self._end(task_id, map_index, name))
        return [
            Row(
                fault=fault,
                backend=backend,
                runs=len(found),
                duplicates=sum(end.duplicates for end in found),
                orphans=active.count(backend),
                lost=sum(end.is_lost for end in found),
                false_failures=sum(end.is_false_failure for end in found),
            )
            for backend, found in ends.items()
        ]

    def _tasks(self) -> Iterator[tuple[str, str, int, str]]:
        """Service, task, map index and the job's name of every task instance that there should be."""
        for backend in BACKENDS:
            for number in range(self._load.count):
                yield backend, f"on_{backend}", number, f"{backend}-{number}"
            for number in range(self._load.from_triggerer):
                name = f"{backend}-from-triggerer-{number}"
                yield backend, name, -1, name

    def _end(self, task_id: str, map_index: int, name: str) -> _End:
        dag_id, run_id, rest = self._load.dag_id, self._run_id, self._place.rest
        record = self._records / name
        said = record.read_text().split() if record.exists() else []
        return _End(
            state=rest.task_state(dag_id, run_id, task_id, map_index=map_index),
            said=tuple(said),
            has_result=rest.xcom(dag_id, run_id, task_id, map_index=map_index) == {"name": name},
        )

    def _wait_for_rest(self) -> None:
        with contextlib.suppress(AirflowApiError):  # what is active then is counted
            wait_until(lambda: not self._active_jobs(), describe=lambda: "", timeout_seconds=_REST_SECONDS)

    def _active_jobs(self) -> list[dict[str, Any]]:
        return [job for job in self._place.cloud.admin.jobs() if job["state"] in _ACTIVE]


@dataclass(frozen=True)
class _End:
    """A task instance after its end, and what its jobs have written."""

    state: str | None
    said: tuple[str, ...]
    has_result: bool

    @property
    def duplicates(self) -> int:
        """Jobs that began while another of the task instance ran, or after one had succeeded.

        One that begins after another was cancelled is none: a worker that Airflow stops cancels its job, and
        the next try submits another.
        """
        found = running = 0
        has_succeeded = False
        for word in self.said:
            if word == "began":
                found += running > 0 or has_succeeded
                running += 1
            else:
                running -= 1
                has_succeeded = has_succeeded or word == "succeeded"
        return found

    @property
    def is_lost(self) -> bool:
        """Whether the task never ended, or succeeded without what its job has printed."""
        return self.state not in FINISHED_TASK_STATES or (self.state == "success" and not self.has_result)

    @property
    def is_false_failure(self) -> bool:
        """Whether the task failed, which no job has given it a reason to."""
        return self.state in FINISHED_TASK_STATES and self.state != "success"
