"""An operator of a service in memory, and task instances for it, so that a task runs without a scheduler."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from pendulum import DateTime

from airflow_provider_jobs.core import registry
from airflow_provider_jobs.core.backend import Limits
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.core.registry import BackendEntry
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.target import Target
from airflow_provider_jobs.engine.clock import utc_now
from airflow_provider_jobs.operators.task import JobTask
from tests.contract.fake import FakeBackend

_SERVICES: dict[str, FakeBackend] = {}


def open_fake(ref: BackendRef) -> FakeBackend:
    """Return the service of this name."""
    return _SERVICES[ref.backend]


@contextmanager
def fake_service() -> Iterator[FakeBackend]:
    """Register a service in memory under the name ``fake``."""
    limits = Limits(
        describe_chunk=100,
        describe_floor_seconds=0,
        logs_floor_seconds=0,
        late_logs_seconds=1,
        quiet_logs_seconds=0,
    )
    entry = BackendEntry(
        name="fake",
        title="Fake",
        factory=f"{__name__}:open_fake",
        operator=f"{__name__}:FakeJobOperator",
        hook="",
        conn_id="fake_default",
        conn_types=("fake",),
        extra="fake",
        needs={},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._ENTRIES, "fake", entry)
        patch.setitem(_SERVICES, "fake", FakeBackend(limits=limits))
        yield _SERVICES["fake"]


class FakeJobOperator(JobTask):
    """Runs a job on the service in memory, and waits for it in the worker unless told otherwise."""

    def __init__(self, *, script_of_states: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**{"task_id": "t", "image": "busybox", "deferrable": False, **kwargs})
        self.script_of_states = script_of_states
        self.check_choices()

    mounts_storage: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def check_spec(cls, spec: JobSpec) -> None:
        """Take every job."""

    @classmethod
    def check_request(cls, spec: JobSpec) -> None:
        """Take every request."""

    def resolve_targets(self) -> list[Target]:
        options = {"fake": self.script_of_states} if self.script_of_states else {}
        spec = JobSpec(image="busybox", array_size=self.array_size, options=options)
        return [Target(spec, _SERVICES["fake"].ref)]


class TaskInstance:
    """One try of a task, as far as a task that runs a job asks it."""

    dag_id, run_id, task_id = "d", "r", "t"
    map_index: int | None = None

    def __init__(self, try_number: int = 1, *, max_tries: int = 5, began: DateTime | None = None) -> None:
        self.try_number = try_number
        self.max_tries = max_tries
        self.id = uuid.uuid4()
        self.start_date = began or utc_now()
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.pushed[key] = value


class StateStore:
    """Airflow's task state store, in memory."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value


class Task:
    """A task that is tried again and again, as Airflow would."""

    def __init__(self, *, has_record: bool = True) -> None:
        self.store = StateStore() if has_record else None
        self.tries = 0
        self.context: dict[str, Any] = {}

    def run(
        self, operator: FakeJobOperator, *, map_index: int | None = None, began: DateTime | None = None
    ) -> Any:
        """Run one more try.

        :param began: when its worker began, if not now
        """
        self.tries += 1
        self.context = {"ti": TaskInstance(self.tries, began=began)}
        self.context["ti"].map_index = map_index
        if self.store:
            self.context["task_state_store"] = self.store
        return operator.execute(self.context)

    @property
    def job(self) -> dict[str, Any]:
        """The XCom ``job`` of the last try."""
        return self.context["ti"].pushed["job"]
