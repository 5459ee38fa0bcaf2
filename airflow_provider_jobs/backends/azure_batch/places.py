"""Where the tasks of a submission are, and what is written down of it there. Pure.

A submission is a job of its own, whose tasks have their index as id, or some tasks of a job that others
share, whose ids begin with the name that follows from the key. What another process must know of it stands
in the metadata of its own job. Tasks have no metadata, so in a shared job it stands in their environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pendulum

from airflow_provider_jobs.core.identity import STAMP_LABEL, JobKey, job_name

# https://learn.microsoft.com/rest/api/batchservice/jobs/create-job: ids have at most 64 characters.
ID_LENGTH = 64
_INDEX_ROOM = 7

KEY = "airflow-job-key"
TASKS = "airflow-job-tasks"
SPEC = "airflow-job-spec"
SUBMITTED_AT = "airflow-job-submitted-at"


@dataclass(frozen=True)
class Place:
    """The tasks of one submission.

    :param prefix: what their ids begin with, ``None`` where the job is their own
    """

    job_id: str
    prefix: str | None = None

    @classmethod
    def for_key(cls, key: JobKey, job_id: str | None) -> Place:
        """Return the place that follows from a key.

        :param job_id: the shared job, ``None`` for one of their own
        """
        if job_id is None:
            return cls(job_name(key, ID_LENGTH))
        return cls(job_id, job_name(key, ID_LENGTH - _INDEX_ROOM))

    @classmethod
    def of(cls, native_id: str) -> Place:
        """Read what :attr:`native_id` wrote."""
        job_id, _, prefix = native_id.partition("/")
        return cls(job_id, prefix or None)

    @property
    def native_id(self) -> str:
        """The job's id, and what the tasks' ids begin with where the job is shared."""
        return self.job_id if self.prefix is None else f"{self.job_id}/{self.prefix}"

    @property
    def name(self) -> str:
        """The name that follows from the key."""
        return self.job_id if self.prefix is None else self.prefix

    @property
    def is_shared(self) -> bool:
        """Whether the job may hold tasks of others."""
        return self.prefix is not None

    @property
    def filter(self) -> str | None:
        """Which tasks of the job to list, ``None`` for all.

        https://learn.microsoft.com/rest/api/batchservice/odata-filters-in-batch#list-tasks
        """
        return None if self.prefix is None else f"startswith(id,'{self.prefix}-')"

    def cancel_command(self, account_url: str) -> str:
        """Return what a person types to stop the tasks; https://learn.microsoft.com/cli/azure/batch"""
        at = f"--job-id {self.job_id} --account-endpoint {account_url}"
        if self.prefix is None:
            return f"az batch job stop {at}"
        ours = f"\"[?starts_with(id, '{self.prefix}-')].id\""
        stop = f"xargs -n 1 az batch task stop {at} --task-id"
        return f"az batch task list {at} --query {ours} --output tsv | {stop}"

    def task_id(self, index: int) -> str:
        """Return the id of the task that runs an index."""
        return str(index) if self.prefix is None else f"{self.prefix}-{index}"

    def index(self, task_id: str) -> int | None:
        """Return the index that a task runs, ``None`` for a task that is none of these."""
        number = task_id
        if self.prefix is not None:
            before, _, number = task_id.rpartition("-")
            if before != self.prefix:
                return None
        return int(number) if number.isascii() and number.isdigit() else None


@dataclass(frozen=True)
class Facts:
    """What is written down of a submission.

    :param key: the digest of its key
    :param tasks: how many it has
    :param spec: the fingerprint of what they run
    :param stamp: the stamp of the spec
    """

    key: str
    tasks: int
    spec: str
    submitted_at: pendulum.DateTime
    stamp: str = ""

    def as_metadata(self) -> dict[str, str]:
        """Return names and values for the metadata of a job."""
        return {
            KEY: self.key,
            TASKS: str(self.tasks),
            SPEC: self.spec,
            SUBMITTED_AT: self.submitted_at.isoformat(),
            **({STAMP_LABEL: self.stamp} if self.stamp else {}),
        }

    def as_variables(self) -> dict[str, str]:
        """Return names and values for the environment of a task."""
        return {_variable(name): value for name, value in self.as_metadata().items()}

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Facts | None:
        """Read metadata or variables; ``None`` where they hold no submission."""
        try:
            key, tasks, spec, at = (
                values.get(name) or values[_variable(name)] for name in (KEY, TASKS, SPEC, SUBMITTED_AT)
            )
            stamp = values.get(STAMP_LABEL) or values.get(_variable(STAMP_LABEL)) or ""
            return cls(key, int(tasks), spec, pendulum.DateTime.fromisoformat(at), stamp)
        except (KeyError, ValueError):
            return None


def task_map(indexes: Iterable[int]) -> tuple[int, ...] | None:
    """Return the original index of each task in their order, ``None`` where task and index are the same."""
    listed = tuple(sorted(indexes))
    return None if listed == tuple(range(len(listed))) else listed


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
