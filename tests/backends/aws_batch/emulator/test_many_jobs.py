"""A page of a list costs what is in it, however many jobs there are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_jobs.backends.aws_batch.emulator import routes
from airflow_provider_jobs.backends.aws_batch.emulator.descriptions import Describer
from airflow_provider_jobs.backends.aws_batch.emulator.lifecycle import Lifecycle
from airflow_provider_jobs.backends.aws_batch.emulator.log_streams import LogStreams
from airflow_provider_jobs.backends.aws_batch.emulator.placement import Placement
from airflow_provider_jobs.backends.aws_batch.emulator.signature import Caller
from airflow_provider_jobs.backends.aws_batch.emulator.wire import Route
from airflow_provider_jobs.backends.aws_batch.emulator.worlds import Worlds
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import JobState
from tests.backends.aws_batch.emulator.conftest import container
from tests.emulator.engine import counted, run, until


def calls_of(count: int, operation: str, **asked: Any) -> int:
    """How many functions are called for an answer when so many jobs run."""

    async def work(cloud: Cloud) -> int:
        placement, worlds = Placement(), Worlds(cloud.jobs)
        lifecycle = Lifecycle(cloud, placement=placement, streams=LogStreams(cloud.logs), worlds=worlds)
        describer = Describer(placement, lambda _: False)
        service = routes.batch(
            cloud, worlds=worlds, lifecycle=lifecycle, placement=placement, describer=describer
        )

        async def ask(name: str, **parameters: Any) -> Any:
            caller = Caller("anything", "us-east-1", "batch")
            return await service.serve(caller, Route(name, {}), json.dumps(parameters).encode())

        await ask(
            "RegisterJobDefinition", jobDefinitionName="d", type="container",
            containerProperties={**container(), "command": ["sleep", "600"]},
        )  # fmt: skip
        jobs = [
            await ask("SubmitJob", jobName=f"j{number}", jobQueue="default", jobDefinition="d")
            for number in range(count)
        ]
        await until(lambda: all(job.state is JobState.RUNNING for job in cloud.jobs))
        if operation == "DescribeJobs":
            asked["jobs"] = [job["jobId"] for job in jobs[:10]]
        with counted() as calls:
            await ask(operation, **asked)
        return calls.count

    return run(work, simulate_sleep=True)


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("DescribeJobs", {}),
        ("ListJobs", {"jobQueue": "default", "jobStatus": "RUNNING", "maxResults": 10}),
        ("ListJobs", {"jobQueue": "default", "jobStatus": "RUNNABLE"}),
        ("ListJobs", {"jobQueue": "default", "filters": [{"name": "JOB_NAME", "values": ["J7"]}]}),
    ],
)
def test_an_answer_about_a_few_costs_the_same_among_twenty_jobs_and_among_five_hundred(
    operation: str, asked: dict[str, Any]
):
    assert calls_of(500, operation, **asked) <= calls_of(20, operation, **asked)
