"""The Batch account that the local cloud offers: its pools and jobs, by id.

It exists so that all parts of the dialect look at one picture. It must not change a pool or a job.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from airflow_provider_jobs.backends.azure_batch.emulator.catalogue import Catalogue
from airflow_provider_jobs.backends.azure_batch.emulator.errors import refusal
from airflow_provider_jobs.backends.azure_batch.emulator.jobs import BatchJob
from airflow_provider_jobs.backends.azure_batch.emulator.pools import Node, Pool
from airflow_provider_jobs.backends.azure_batch.emulator.runs import DIALECT
from airflow_provider_jobs.backends.azure_batch.emulator.tasks import Task
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import AttemptPlan, Job, JobSpec
from airflow_provider_jobs.emulator.progress import Stage

#: The account's name: letters and digits, as the service wants it.
NAME = "localbatch"


class Account:
    """Pools and jobs. Ids keep the case they were given in and are looked up without it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.name = NAME
        #: Where the service is reached, without a trailing slash; known once the server listens.
        self.endpoint = ""
        self.pools: dict[str, Pool] = {}
        self.jobs: Catalogue[BatchJob] = Catalogue()
        #: For everything that is listed: in the order in which it was made.
        self.numbers = itertools.count(1)

    @property
    def files_dir(self) -> Path:
        """Where the nodes' directories lie."""
        return self.cloud.files_dir / DIALECT

    def pool(self, pool_id: str) -> Pool:
        """Raises StatusError when there is none."""
        if (pool := self.pools.get(pool_id.lower())) is None:
            raise refusal("PoolNotFound")
        return pool

    def node(self, pool_id: str, node_id: str) -> Node:
        """Raises StatusError when there is none."""
        if (node := self.pool(pool_id).nodes.get(node_id)) is None:
            raise refusal("NodeNotFound")
        return node

    def job(self, job_id: str) -> BatchJob:
        """Raises StatusError when there is none."""
        if (job := self.jobs.get(job_id.lower())) is None:
            raise refusal("JobNotFound")
        return job

    def task(self, job_id: str, task_id: str) -> Task:
        """Raises StatusError when there is none."""
        if (task := self.job(job_id).tasks.get(task_id.lower())) is None:
            raise refusal("TaskNotFound")
        return task

    async def step(self, name: str, stage: Stage) -> None:
        """Wait until a rule of the admin API lets the thing of this name take the step."""
        await self.cloud.progress.wait(_named(name), stage)

    def hindrance(self, name: str, stage: Stage) -> str | None:
        """What a rule says keeps the thing of this name from the step."""
        return self.cloud.progress.reason(_named(name), stage)


def _named(name: str) -> Job:
    """A job that never runs, for rules that ask for a name."""
    spec = JobSpec(
        dialect=DIALECT, name=name, uid=name, task_count=0, parallelism=1,
        plan=lambda *_: AttemptPlan(()), retry=lambda *_: False,
    )  # fmt: skip
    return Job(spec)
