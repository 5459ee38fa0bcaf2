"""Why a job waits, in words that a person can act on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.backends.aws_batch.explain import Explainer, about_environment
from airflow_provider_jobs.backends.aws_batch.hook import AwsBatchHook
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.conftest import REF, new_key, until_over

SPEC = JobSpec(image="busybox", script="true")


def waiting(backend: AwsBatchBackend, spec: JobSpec = SPEC) -> JobHandle:
    """Submit a job and return when it waits for a machine."""
    handle = backend.submit(spec, new_key())
    native = "PENDING" if spec.array_size > 1 or spec.options else "RUNNABLE"
    while backend.describe([handle])[0].native_state != native:
        pass
    return handle


@pytest.fixture
def full_cloud(quiet_cloud: LocalCloud) -> LocalCloud:
    """Return a local cloud in which no job gets a machine."""
    quiet_cloud.admin.hold("assigned")
    return quiet_cloud


class TestWhatTheServiceSays:
    @pytest.mark.parametrize(
        ("said", "words"),
        [
            (
                "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested",
                ["no such machines", "instance types"],
            ),
            (
                "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) cannot meet the CPU requirement",
                ["Use less cpu", "maxvCpus"],
            ),
            ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - higher", ["big enough", "bigger instance types"]),
            ("MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - x", ["AWSBatchServiceRole"]),
            ("MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED - x", ["zones or its launch template"]),
            ("ACTION_REQUIRED - CE(s) associated with the job queue are invalid.", ["are invalid"]),
            ("UNDETERMINED - Batch job is blocked, root cause is undetermined.", ["blocks its queue", "ECS"]),
        ],
    )
    def test_a_blocked_queue_is_told_with_what_to_do(
        self, hook: AwsBatchHook, said: str, words: list[str]
    ) -> None:
        job = {"jobId": "j", "status": "RUNNABLE", "statusReason": said, "jobQueue": "default"}
        told = Explainer(hook).explain(job)
        assert told is not None
        assert told.startswith("The job is runnable, and no machine has taken it. ")
        assert all(word in told for word in [*words, said])

    def test_a_job_that_the_local_cloud_holds_back_says_what_the_service_says(
        self, full_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = waiting(backend)
        said = backend.hook.get_job(handle.native_id).get("statusReason")
        told = backend.explain(handle)
        assert said
        assert told is not None
        assert said in told

    def test_an_array_says_what_its_first_waiting_child_waits_for(
        self, full_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = waiting(backend, SPEC.model_copy(update={"array_size": 3}))
        while not (told := backend.explain(handle)):
            pass
        assert told.startswith("The job is runnable, and no machine has taken it. ")


class TestWhereItWouldRun:
    def test_a_queue_and_an_environment_that_are_switched_off_are_named(
        self, full_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = waiting(backend)
        batch = backend.hook.batch
        batch.update_job_queue(jobQueue="default", state="DISABLED")
        batch.update_compute_environment(computeEnvironment="default", state="DISABLED")
        try:
            while "Compute environment default is DISABLED" not in (told := backend.explain(handle) or ""):
                pass
            assert "Job queue default is DISABLED. Enable it." in told
        finally:
            batch.update_compute_environment(computeEnvironment="default", state="ENABLED")
            batch.update_job_queue(jobQueue="default", state="ENABLED")

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            (
                {"status": "INVALID", "statusReason": "CLIENT_ERROR - no role"},
                "is INVALID: CLIENT_ERROR - no role.",
            ),
            ({"computeResources": {"maxvCpus": 8, "desiredvCpus": 8}}, "has all of its 8 vCPUs in use"),
            ({"computeResources": {"maxvCpus": 0}}, "has all of its 0 vCPUs in use"),
            ({"computeResources": {"maxvCpus": 8, "desiredvCpus": 4}}, None),
            ({"computeResources": {"maxvCpus": 8}}, None),
            ({}, None),
        ],
    )
    def test_an_environment_that_is_broken_or_full_is_named(
        self, fields: dict[str, object], words: str | None
    ) -> None:
        told = " ".join(about_environment({"computeEnvironmentName": "e", "state": "ENABLED", **fields}))
        assert told == "" if words is None else words in told

    def test_a_queue_that_was_deleted_explains_nothing(self, hook: AwsBatchHook) -> None:
        job = {
            "jobId": "j",
            "status": "RUNNABLE",
            "jobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/gone",
        }
        assert Explainer(hook).explain(job) is None


class TestDependencies:
    def test_a_job_that_waits_for_others_names_them(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        first = backend.submit(JobSpec(image="busybox", script="exec sleep 600"), new_key())
        while backend.describe([first])[0].native_state != "RUNNING":
            pass
        second = waiting(
            backend, SPEC.model_copy(update={"options": {"depends_on": [{"jobId": first.native_id}]}})
        )
        told = backend.explain(second)
        assert told is not None
        assert told.startswith("The job is pending: it waits for the jobs it depends on. ")
        assert f"{first.name} ({first.native_id}) is RUNNING" in told
        backend.cancel(first, "the test is over")


class TestInLine:
    @pytest.mark.parametrize(
        ("front", "words"),
        [
            (["a", "b", "mine", "c"], "Jobs before it in its queue: 2"),
            (["a:0", "mine:3"], "Jobs before it in its queue: 1"),
            ([str(n) for n in range(100)], "Jobs before it in its queue: 100 or more"),
            (["mine", "a"], None),
            ([], None),
        ],
    )
    def test_a_job_that_only_waits_its_turn_says_how_many_stand_before_it(
        self, front: list[str], words: str | None
    ) -> None:
        class Queue:
            """A hook whose queue is healthy."""

            def describe_job_queues(self, names: list[str]) -> Iterator[dict[str, object]]:
                return iter([{"jobQueueName": "q", "state": "ENABLED", "status": "VALID"}])

            def describe_jobs(self, ids: list[str]) -> Iterator[dict[str, object]]:
                return iter([{"jobId": each, "jobName": "j", "status": "RUNNABLE"} for each in ids])

            def get_job_queue_snapshot(self, name: str) -> dict[str, object]:
                arn = "arn:aws:batch:eu-west-1:123456789012:job"
                return {"frontOfQueue": {"jobs": [{"jobArn": f"{arn}/{job_id}"} for job_id in front]}}

        job = {"jobId": "mine", "status": "RUNNABLE", "jobQueue": "q"}
        told = Explainer(Queue()).explain(job)  # type: ignore[arg-type]
        assert told == (f"The job is runnable, and no machine has taken it. {words}" if words else None)

    def test_what_may_not_be_asked_for_hides_nothing_else(
        self, full_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = waiting(backend)
        for method in ("DescribeJobQueues", "GetJobQueueSnapshot"):
            full_cloud.admin.add_fault(method=method, error={"code": "AccessDeniedException"})
        told = backend.explain(handle)
        assert told is not None
        assert "The service says: " in told


class TestNothingToExplain:
    def test_a_job_that_runs_or_is_over_is_not_explained(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = backend.submit(SPEC, new_key())
        until_over(backend, handle)
        assert backend.explain(handle) is None
        array = backend.submit(
            JobSpec(image="busybox", script='[ "$JOB_INDEX" = 0 ] && exec sleep 600', array_size=2), new_key()
        )
        while backend.describe([array])[0].state != "RUNNING":
            pass
        assert backend.explain(array) is None
        backend.cancel(array, "the test is over")

    def test_asking_takes_no_more_than_four_calls(
        self, full_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = waiting(backend)
        full_cloud.admin.clear_counters()
        AwsBatchBackend(REF).explain(handle)
        assert sum(told["calls"] for told in full_cloud.admin.counters().values()) <= 4
