"""The hook's calls against a local cloud."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import pytest

from airflow_provider_jobs.backends.aws_batch.hook import AwsBatchHook
from airflow_provider_jobs.core.errors import (
    InvalidRequest,
    NotFound,
)
from airflow_provider_jobs.emulator.process import LocalCloud

QUEUE = "default"
SIZES = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]


def new_name() -> str:
    """Return a name that nothing has."""
    return f"n-{uuid.uuid4().hex[:12]}"


def register(hook: AwsBatchHook, script: str = "true", **fields: Any) -> str:
    """Register a job definition that runs a script, and return its ARN."""
    container = {"image": "busybox", "resourceRequirements": SIZES, "command": ["/bin/sh", "-c", script]}
    fields = fields or {"type": "container", "containerProperties": container}
    return str(hook.register_job_definition(jobDefinitionName=new_name(), **fields)["jobDefinitionArn"])


def submit(hook: AwsBatchHook, script: str = "true", *, size: int = 1, name: str | None = None) -> str:
    """Submit a job that runs a script, and return its id."""
    array = {"arrayProperties": {"size": size}} if size > 1 else {}
    definition = register(hook, script)
    job = hook.submit_job(jobName=name or new_name(), jobQueue=QUEUE, jobDefinition=definition, **array)
    return str(job["jobId"])


def until_over(hook: AwsBatchHook, job_id: str) -> dict[str, Any]:
    """Return the job once it has ended."""
    over = {"SUCCEEDED", "FAILED"}
    return next(job for job in map(hook.get_job, itertools.repeat(job_id)) if job["status"] in over)


class TestJobs:
    def test_a_job_is_submitted_and_described(self, hook: AwsBatchHook) -> None:
        name, definition = new_name(), register(hook)
        answer = hook.submit_job(jobName=name, jobQueue=QUEUE, jobDefinition=definition)
        assert set(answer) == {"jobArn", "jobId", "jobName"}
        job = hook.get_job(answer["jobId"])
        assert (job["jobName"], job["jobDefinition"]) == (name, definition)

    def test_many_jobs_are_described_with_one_call_per_hundred(
        self, quiet_cloud: LocalCloud, hook: AwsBatchHook
    ) -> None:
        quiet_cloud.admin.hold("scheduled")
        job = submit(hook, size=150)
        ids = [f"{job}:{number}" for number in range(150)]
        assert {each["jobId"] for each in hook.describe_jobs(ids)} == set(ids)
        assert quiet_cloud.admin.calls("DescribeJobs") == 2

    def test_no_ids_are_no_call(self, quiet_cloud: LocalCloud, hook: AwsBatchHook) -> None:
        assert hook.describe_jobs([]) == []
        assert quiet_cloud.admin.calls("DescribeJobs") == 0

    def test_a_job_that_is_not_there_is_not_found(self, hook: AwsBatchHook) -> None:
        with pytest.raises(NotFound, match="there is no job 11111111"):
            hook.get_job("11111111-1111-4111-8111-111111111111")

    def test_a_queue_that_is_not_there_is_named(self, hook: AwsBatchHook) -> None:
        with pytest.raises((NotFound, InvalidRequest), match="nowhere"):
            hook.submit_job(jobName="j", jobQueue="nowhere", jobDefinition=register(hook))


class TestLists:
    def test_a_queue_is_listed_by_name_in_every_status_without_the_children_of_arrays(
        self, hook: AwsBatchHook
    ) -> None:
        name = new_name()
        plain, array = submit(hook, name=name), submit(hook, size=3, name=name)
        other = submit(hook, name=f"{name}-2")
        for job in (plain, array, other):
            until_over(hook, job)
        assert {job["jobId"] for job in hook.list_jobs(QUEUE, name=name)} == {plain, array}
        assert {job["jobId"] for job in hook.list_jobs(QUEUE, name=f"{name}*")} == {plain, array, other}

    def test_without_a_status_only_running_jobs_are_listed(
        self, quiet_cloud: LocalCloud, hook: AwsBatchHook
    ) -> None:
        done, running = submit(hook), submit(hook, "exec sleep 600")
        until_over(hook, done)
        while hook.get_job(running)["status"] != "RUNNING":
            pass
        assert [job["jobId"] for job in hook.list_jobs(QUEUE)] == [running]
        assert [job["jobId"] for job in hook.list_jobs(QUEUE, status="SUCCEEDED")] == [done]

    def test_children_are_listed_by_status(self, hook: AwsBatchHook) -> None:
        array = submit(hook, '[ "$AWS_BATCH_JOB_ARRAY_INDEX" = 2 ] && exit 4; exit 0', size=5)
        until_over(hook, array)
        (failed,) = hook.list_jobs(array_job_id=array, status="FAILED")
        assert failed["jobId"] == f"{array}:2"
        assert len(list(hook.list_jobs(array_job_id=array, status="SUCCEEDED"))) == 4

    def test_nodes_are_listed(self, hook: AwsBatchHook) -> None:
        container = {"image": "busybox", "resourceRequirements": SIZES, "command": ["true"]}
        nodes = {"targetNodes": "0:", "container": container}
        properties = {"numNodes": 2, "mainNode": 0, "nodeRangeProperties": [nodes]}
        definition = register(hook, type="multinode", nodeProperties=properties)
        job = hook.submit_job(jobName=new_name(), jobQueue=QUEUE, jobDefinition=definition)["jobId"]
        until_over(hook, job)
        # Nodes that still run when the main one ends are stopped.
        listed = [
            node
            for over in ("SUCCEEDED", "FAILED")
            for node in hook.list_jobs(multi_node_job_id=job, status=over)
        ]
        assert {node["jobId"] for node in listed} == {f"{job}#0", f"{job}#1"}

    def test_own_filters_are_passed_on(self, hook: AwsBatchHook) -> None:
        job = submit(hook)
        created = hook.get_job(job)["createdAt"]
        after = [{"name": "AFTER_CREATED_AT", "values": [str(created - 1)]}]
        assert job in {each["jobId"] for each in hook.list_jobs(QUEUE, filters=after)}

    def test_a_list_goes_on_over_all_pages_only_as_far_as_it_is_read(
        self, quiet_cloud: LocalCloud, hook: AwsBatchHook
    ) -> None:
        array = submit(hook, size=5)
        until_over(hook, array)
        listing = hook.list_jobs(array_job_id=array, status="SUCCEEDED", page_size=2)
        assert quiet_cloud.admin.calls("ListJobs") == 0
        first = [next(listing), next(listing)]
        assert quiet_cloud.admin.calls("ListJobs") == 1
        assert len([*first, *listing]) == 5
        assert quiet_cloud.admin.calls("ListJobs") == 3


class TestEnding:
    def test_a_running_job_is_terminated_and_not_cancelled(
        self, quiet_cloud: LocalCloud, hook: AwsBatchHook
    ) -> None:
        job = submit(hook, "exec sleep 600")
        while hook.get_job(job)["status"] != "RUNNING":
            pass
        hook.cancel_job(job, "this does nothing")
        assert hook.get_job(job)["status"] == "RUNNING"
        hook.terminate_job(job, "x" * 2000)
        assert until_over(hook, job)["statusReason"] == "x" * 1024

    def test_a_waiting_job_is_cancelled(self, quiet_cloud: LocalCloud, hook: AwsBatchHook) -> None:
        quiet_cloud.admin.hold("assigned")
        job = submit(hook)
        while hook.get_job(job)["status"] != "RUNNABLE":
            pass
        hook.cancel_job(job, "nobody wants it")
        assert until_over(hook, job)["statusReason"] == "nobody wants it"


class TestDefinitions:
    def test_revisions_are_registered_described_and_made_inactive(self, hook: AwsBatchHook) -> None:
        name = new_name()
        container = {"image": "busybox", "resourceRequirements": SIZES}
        for revision in (1, 2):
            made = hook.register_job_definition(
                jobDefinitionName=name, type="container", containerProperties=container
            )
            assert (made["jobDefinitionName"], made["revision"]) == (name, revision)
        hook.deregister_job_definition(f"{name}:1")
        active = list(hook.describe_job_definitions(name=name, status="ACTIVE"))
        assert [each["revision"] for each in active] == [2]
        (first,) = hook.describe_job_definitions([f"{name}:1"])
        assert first["status"] == "INACTIVE"
        assert list(hook.describe_job_definitions(name="nobody", status="ACTIVE")) == []


class TestPlaces:
    def test_queues_and_compute_environments_are_described(self, hook: AwsBatchHook) -> None:
        (queue,) = hook.describe_job_queues([QUEUE])
        names = [each["computeEnvironment"] for each in queue["computeEnvironmentOrder"]]
        (place,) = hook.describe_compute_environments(names)
        assert (queue["state"], place["state"]) == ("ENABLED", "ENABLED")
        assert QUEUE in {each["jobQueueName"] for each in hook.describe_job_queues()}
        assert place["computeEnvironmentName"] in {
            each["computeEnvironmentName"] for each in hook.describe_compute_environments()
        }

    def test_the_front_of_a_queue_is_shown(self, quiet_cloud: LocalCloud, hook: AwsBatchHook) -> None:
        quiet_cloud.admin.hold("assigned")
        job = submit(hook)
        while hook.get_job(job)["status"] != "RUNNABLE":
            pass
        front = hook.get_job_queue_snapshot(QUEUE)["frontOfQueue"]["jobs"]
        assert [each["jobArn"].rpartition("/")[2] for each in front] == [job]


class TestLogs:
    def test_the_log_of_a_job_and_of_one_child_is_read(self, hook: AwsBatchHook) -> None:
        array = submit(hook, 'echo "I am $AWS_BATCH_JOB_ARRAY_INDEX"; echo bye', size=12)
        until_over(hook, array)
        lines = hook.read_logs(array)
        assert {line.index for line in lines} == set(range(12))
        assert [line.message for line in hook.read_logs(array, index=7)] == ["I am 7", "bye"]
        plain = submit(hook, "echo hi")
        until_over(hook, plain)
        assert [(line.index, line.message) for line in hook.read_logs(plain)] == [(0, "hi")]

    def test_events_are_read_page_by_page(self, quiet_cloud: LocalCloud, hook: AwsBatchHook) -> None:
        job = until_over(hook, submit(hook, "for n in 1 2 3 4 5; do echo $n; done"))
        stream = job["container"]["logStreamName"]
        first = hook.filter_log_events("/aws/batch/job", [stream], page_size=3)
        rest = hook.filter_log_events("/aws/batch/job", [stream], page_size=3, page_token=first.next_token)
        assert [event["message"] for event in [*first.items, *rest.items]] == ["1", "2", "3", "4", "5"]
        assert rest.next_token == ""
        page = hook.get_log_events("/aws/batch/job", stream, page_size=4)
        again = hook.get_log_events("/aws/batch/job", stream, page_token=page.next_token)
        assert [len(page.items), len(again.items)] == [4, 1]
        end = hook.get_log_events("/aws/batch/job", stream, page_token=again.next_token)
        assert (end.items, end.next_token) == ([], again.next_token)

    def test_a_group_that_is_not_there_is_not_found(self, hook: AwsBatchHook) -> None:
        with pytest.raises(NotFound, match="log group"):
            hook.filter_log_events("/nowhere", ["s"])
