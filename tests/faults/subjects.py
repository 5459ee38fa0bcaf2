"""The operators that are put under fault: how one is made, and what its service has of it.

Used on both sides: by the processes that run an operator, and by the one that counts. No vendor package is
imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import airflow_provider_jobs
from airflow_provider_jobs.core.registry import backend_entry, load
from tests.faults.task import TASK_ID

# A process may have to wait for as long as its service may not show a job. Here both are shorter than with a
# real service, so that thousands of runs take minutes.
LISTING_DELAY_SECONDS = 2.0
FIND_LAG_SECONDS = 4.0


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An operator.

    :param name: what the table calls it
    :param dialect: the local cloud's name for its service
    :param calls: the methods of its service, as a glob over those of the local cloud
    :param size: how many indexes its job has
    :param is_found_in_lists: whether its service names jobs itself, so that one is found in lists alone, and
        of two that are submitted at one moment one can only be cancelled
    :param ends_before_a_retry: whether a job must have ended before another try can be made
    """

    name: str
    dialect: str
    calls: str
    size: int = 1
    is_found_in_lists: bool = False
    ends_before_a_retry: bool = False

    def prepare(self) -> None:
        """Import what a worker has imported before it runs the task; open nothing."""
        raise NotImplementedError

    def roots(self) -> tuple[Path, ...]:
        """Return the directories whose code is struck."""
        raise NotImplementedError

    def make_operator(self, run: str) -> Any:
        """Return the operator as a worker has it, in a DAG that is named after the run."""
        from airflow.sdk import DAG

        with DAG(run, schedule=None):
            return self.make(run, f"{run}-{TASK_ID}")

    def make(self, run: str, job: str) -> Any:
        """Return the operator.

        :param job: the name that its job gets, where the operator leaves that to its user
        """
        raise NotImplementedError

    def waits_for(self, operator: Any, trigger: Any) -> str:
        """Return the native id of the job that the deferred operator waits for."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class OurOperator(Subject):
    """The operator of one of our backends.

    :param arguments: of the operator, beside those that all share
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)

    def prepare(self) -> None:
        """Import operator and backend, and shorten the time in which a job may be missing from lists."""
        entry = backend_entry(self.dialect)
        load(entry.operator)
        backend: Any = load(entry.factory)
        lag_seconds = min(backend.limits.find_lag_seconds, FIND_LAG_SECONDS)
        backend.limits = replace(backend.limits, find_lag_seconds=lag_seconds)

    def roots(self) -> tuple[Path, ...]:
        """Return our package."""
        return (Path(airflow_provider_jobs.__file__).parent,)

    def make(self, run: str, job: str) -> Any:
        """Return the operator."""
        return load(backend_entry(self.dialect).operator)(
            task_id=TASK_ID,
            # An image of its own leaves nothing to reuse, so that no request of the submit path is spared.
            image=f"busybox:{run}",
            script="exit 0",
            array_size=self.size,
            deferrable=True,
            **self.arguments,
        )

    def waits_for(self, operator: Any, trigger: Any) -> str:
        """Return what stands in the trigger's plan."""
        return str(trigger.plan.handle.native_id)


def _backend(name: str, **values: Any) -> OurOperator:
    return OurOperator(name=name, dialect=name, **values)


_GOOGLE = {"project_id": "local-project", "region": "europe-west1"}
_AMAZON = {"region_name": "eu-west-1", "job_queue": "default"}

OURS = {
    subject.name: subject
    for subject in (
        _backend("gcp_batch", calls="google.cloud.batch.*", arguments=_GOOGLE),
        _backend("cloud_run", calls="google.cloud.run.*", arguments=_GOOGLE, is_found_in_lists=True),
        _backend("aws_batch", calls="Batch/*", arguments=_AMAZON, size=3, is_found_in_lists=True),
        _backend("azure_batch", calls="AzureBatch/*", arguments={"pool_id": "default"}, size=3),
        _backend("kubernetes", calls="kubernetes/*", arguments={"namespace": "default"}),
    )
}
