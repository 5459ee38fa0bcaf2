"""What the backend adds to the contract: jobs of one name, few calls, definitions that are reused."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.backends.aws_batch import request
from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.core.errors import InvalidArgument, NotFound
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.identity import job_labels
from airflow_provider_jobs.core.models import BackendRef, JobHandle, LogCursor
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.conftest import REF, new_key, until, until_over
from tests.contract.world import Work, write_shell_spec

ROLE = "arn:aws:iam::123456789012:role/batch"
SPEC = JobSpec(image="busybox", script="true")


def calls(cloud: LocalCloud) -> dict[str, int]:
    """Return how often each method was called, by its last name."""
    return {name.rpartition("/")[2]: told["calls"] for name, told in cloud.admin.counters().items()}


class TestScope:
    def test_the_handle_names_the_region_alone_so_that_all_queues_are_polled_together(
        self, backend: AwsBatchBackend
    ) -> None:
        handle = backend.submit(SPEC, new_key())
        assert handle.ref.scope == {"region_name": "us-east-1"}
        assert backend.ref.scope == {"job_queue": "default"}
        follower = AwsBatchBackend(handle.ref)
        assert follower.describe([handle])[0].found
        for call in (follower.submit, lambda spec, key: follower.find(key)):
            with pytest.raises(InvalidArgument, match=r"^job_queue: none is given"):
                call(SPEC, new_key())

    def test_jobs_of_two_queues_are_described_with_one_call(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        spot = AwsBatchBackend(REF.model_copy(update={"scope": {"job_queue": "spot"}}))
        handles = [backend.submit(SPEC, new_key()), spot.submit(SPEC, new_key())]
        assert handles[0].ref == handles[1].ref
        quiet_cloud.admin.clear_counters()
        assert all(report.found for report in AwsBatchBackend(handles[0].ref).describe(handles))
        assert calls(quiet_cloud) == {"DescribeJobs": 1}

    @pytest.mark.parametrize(
        ("scope", "message"),
        [
            ({"job_queue": "my queue"}, "^job_queue: "),
            ({"job_queue": "q", "region_name": "mars"}, "^region_name: 'mars' is refused"),
            ({"job_queue": "q", "zone": "b"}, "^zone: "),
            ({"zone": "b"}, "^zone: "),
        ],
    )
    def test_a_scope_that_cannot_be_meant_is_refused(self, scope: dict[str, str], message: str) -> None:
        with pytest.raises(InvalidArgument, match=message):
            AwsBatchBackend(BackendRef(backend="aws_batch", conn_id="aws_default", scope=scope))

    def test_a_connection_that_does_not_exist_is_named(self) -> None:
        with pytest.raises(InvalidArgument, match="no connection 'nowhere'"):
            AwsBatchBackend(REF.model_copy(update={"conn_id": "nowhere"}))


class TestSubmitting:
    def test_the_job_carries_our_tags_and_its_name(self, backend: AwsBatchBackend) -> None:
        key = new_key()
        handle = backend.submit(SPEC.model_copy(update={"labels": {"team": "ml"}}), key)
        job = backend.hook.get_job(handle.native_id)
        assert job["tags"] == {**job_labels(key), "team": "ml"}
        assert job["jobName"] == handle.name == request.job_name_of(key)
        assert handle.console_url is not None
        assert handle.console_url.endswith(f"region=us-east-1#jobs/detail/{handle.native_id}")

    def test_a_job_of_our_name_that_is_not_ours_is_left_alone(self, backend: AwsBatchBackend) -> None:
        key = new_key()
        foreign = request.build(SPEC, key, job_queue="default")
        assert foreign.definition is not None
        definition = backend.hook.register_job_definition(**foreign.definition)["jobDefinitionArn"]
        stranger = {**foreign.job, "tags": {request.KEY_TAG: "another"}, "jobDefinition": definition}
        other = backend.hook.submit_job(**stranger)["jobId"]
        assert backend.find(key) is None
        ours = backend.submit(SPEC, key)
        assert ours.native_id != other
        assert backend.find(key) == ours

    def test_of_two_jobs_of_one_key_everybody_takes_the_older(self, backend: AwsBatchBackend) -> None:
        key = new_key()
        first = backend.submit(SPEC, key)
        job = backend.hook.get_job(first.native_id)
        again = {**request.build(SPEC, key, job_queue="default").job, "jobDefinition": job["jobDefinition"]}
        while (
            backend.hook.get_job(backend.hook.submit_job(**again)["jobId"])["createdAt"] == job["createdAt"]
        ):
            pass
        assert backend.find(key) == first

    def test_a_definition_is_registered_once_and_reused_while_nothing_in_it_changes(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        other_run = SPEC.model_copy(update={"env": {"A": "1"}, "cpu": 2.0, "array_size": 3})
        jobs = [backend.submit(spec, new_key()) for spec in (SPEC, SPEC, other_run)]
        definitions = {backend.hook.get_job(job.native_id)["jobDefinition"] for job in jobs}
        assert len(definitions) == 1
        assert calls(quiet_cloud)["RegisterJobDefinition"] == 1
        backend.submit(SPEC.model_copy(update={"image": "busybox:2"}), new_key())
        assert calls(quiet_cloud)["RegisterJobDefinition"] == 2

    def test_a_definition_that_somebody_made_inactive_is_registered_again(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        first = backend.hook.get_job(backend.submit(SPEC, new_key()).native_id)["jobDefinition"]
        backend.hook.deregister_job_definition(first)
        second = backend.hook.get_job(backend.submit(SPEC, new_key()).native_id)["jobDefinition"]
        assert second != first
        assert second.rpartition(":")[0] == first.rpartition(":")[0]

    def test_a_new_job_costs_five_calls_and_one_that_is_there_two(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        key = new_key()
        backend.submit(SPEC, new_key())
        quiet_cloud.admin.clear_counters()
        backend.submit(SPEC, key)
        assert calls(quiet_cloud) == {
            "ListJobs": 1,
            "DescribeJobDefinitions": 1,
            "SubmitJob": 1,
            "DescribeJobs": 1,
        }
        quiet_cloud.admin.clear_counters()
        backend.submit(SPEC, key)
        assert calls(quiet_cloud) == {"ListJobs": 1, "DescribeJobs": 1}

    def test_a_job_whose_details_were_refused_after_it_was_taken_is_found_and_not_sent_again(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        key = new_key()
        quiet_cloud.admin.add_fault(
            method="DescribeJobs", error={"code": "TooManyRequestsException"}, times=1
        )
        taken = backend.submit(SPEC, key)
        assert backend.submit(SPEC, key) == backend.find(key)
        assert taken.native_id == backend.submit(SPEC, key).native_id
        assert calls(quiet_cloud)["SubmitJob"] == 1

    def test_a_refused_spec_sends_nothing(self, quiet_cloud: LocalCloud, backend: AwsBatchBackend) -> None:
        with pytest.raises(InvalidArgument, match=r"^secrets: TOKEN holds no reference"):
            backend.submit(SPEC.model_copy(update={"secrets": {"TOKEN": "geheim"}}), new_key())
        assert calls(quiet_cloud) == {}

    def test_a_job_definition_that_is_there_is_used_as_it_is(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        arn = backend.hook.get_job(backend.submit(SPEC, new_key()).native_id)["jobDefinition"]
        name = arn.rpartition("/")[2]
        quiet_cloud.admin.clear_counters()
        spec = JobSpec(script="echo mine", options={"job_definition": name})
        handle = backend.submit(spec, new_key())
        assert until_over(backend, handle).state is JobState.SUCCEEDED
        assert "RegisterJobDefinition" not in calls(quiet_cloud)
        (page,) = backend.read_logs([LogCursor(handle=handle)])
        assert [line.message for line in page.lines] == ["mine"]


class TestDescribing:
    def test_many_jobs_that_are_not_over_cost_one_call(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        quiet_cloud.admin.hold("scheduled")
        handles = [backend.submit(SPEC, new_key()) for _ in range(20)]
        quiet_cloud.admin.clear_counters()
        assert all(report.found for report in backend.describe(handles))
        assert calls(quiet_cloud) == {"DescribeJobs": 1}
        quiet_cloud.admin.release()

    def test_a_thousand_jobs_cost_ten_calls(self, quiet_cloud: LocalCloud, backend: AwsBatchBackend) -> None:
        quiet_cloud.admin.hold("scheduled")
        definition = backend.submit(SPEC, new_key())
        job = backend.hook.get_job(definition.native_id)
        ids = [
            backend.hook.submit_job(jobName="j", jobQueue=job["jobQueue"], jobDefinition=job["jobDefinition"])
            for _ in range(1000)
        ]
        handles = [definition.model_copy(update={"native_id": each["jobId"]}) for each in ids]
        chunk = backend.limits.describe_chunk
        quiet_cloud.admin.clear_counters()
        for start in range(0, len(handles), chunk):
            assert all(report.found for report in backend.describe(handles[start : start + chunk]))
        assert calls(quiet_cloud) == {"DescribeJobs": 10}
        quiet_cloud.admin.release()

    def test_an_array_that_succeeded_costs_no_look_at_its_children_beyond_its_times(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = backend.submit(write_shell_spec(Work(size=3)), new_key())
        until_over(backend, handle)
        quiet_cloud.admin.clear_counters()
        (report,) = backend.describe([handle])
        assert report.started_at
        assert report.ended_at
        assert "ListJobs" not in calls(quiet_cloud)
        assert calls(quiet_cloud)["DescribeJobs"] <= 2

    def test_many_failures_are_all_named_and_the_first_ten_explained(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        work = Work(size=25, exit_codes=dict.fromkeys(range(5, 25), 9))
        handle = backend.submit(write_shell_spec(work), new_key())
        until_over(backend, handle)
        quiet_cloud.admin.clear_counters()
        (report,) = backend.describe([handle])
        assert report.state is JobState.FAILED
        assert report.array is not None
        assert report.array.failed_indexes == tuple(range(5, 25))
        assert [failure.index for failure in report.failures] == list(range(5, 15))
        assert calls(quiet_cloud) == {"DescribeJobs": 2, "ListJobs": 1}

    def test_a_running_array_with_a_failed_child_is_not_looked_into(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        script = '[ "$JOB_INDEX" = 0 ] && exit 3; exec sleep 600'
        handle = backend.submit(JobSpec(image="busybox", script=script, array_size=2), new_key())
        report = until(backend, handle, lambda report: bool(report.array and report.array.failed))
        assert (report.state, report.failures) == (JobState.RUNNING, ())
        quiet_cloud.admin.clear_counters()
        backend.describe([handle])
        assert calls(quiet_cloud) == {"DescribeJobs": 1}
        backend.cancel(handle, "the test is over")

    def test_a_cancelled_array_is_cancelled_and_what_succeeded_before_stays(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        script = '[ "$JOB_INDEX" = 0 ] && exit 0; exec sleep 600'
        handle = backend.submit(JobSpec(image="busybox", script=script, array_size=3), new_key())
        until(backend, handle, lambda report: bool(report.array and report.array.succeeded))
        backend.cancel(handle, "nobody wants it")
        report = until_over(backend, handle)
        assert report.state is JobState.CANCELLED
        assert report.array is not None
        assert (report.array.succeeded, report.array.failed_indexes) == (1, (1, 2))
        assert {failure.kind for failure in report.failures} == {FailureKind.CANCELLED}
        assert "nobody wants it" in report.failures[0].message

    def test_a_cancel_is_told_while_it_is_under_way(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        slow_to_go = "trap 'sleep 1; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
        handle = backend.submit(JobSpec(image="busybox", script=slow_to_go), new_key())
        while not backend.read_logs([LogCursor(handle=handle)])[0].lines:
            pass
        backend.cancel(handle, "why not")
        going = until(backend, handle, lambda report: report.cancelling)
        assert going.state is JobState.RUNNING
        gone = until_over(backend, handle)
        assert (gone.cancelling, gone.state) == (False, JobState.CANCELLED)

    @pytest.mark.parametrize(
        ("queue", "options", "said"),
        [
            ("spot", {}, "Host EC2"),
            ("fargate-spot", {"platform": "FARGATE", "execution_role": ROLE}, "Spot Task was interrupted"),
        ],
    )
    def test_a_machine_that_is_taken_away_is_told_from_a_command_that_failed(
        self, quiet_cloud: LocalCloud, queue: str, options: dict[str, str], said: str
    ) -> None:
        backend = AwsBatchBackend(REF.model_copy(update={"scope": {"job_queue": queue}}))
        handle = backend.submit(write_shell_spec(Work(size=2, runs_on=True), options=options), new_key())
        until(backend, handle, lambda report: bool(report.array and report.array.running == 2))
        quiet_cloud.admin.interrupt(handle.native_id, 1, reason="preempted")
        quiet_cloud.admin.interrupt(handle.native_id, 0, reason="preempted")
        report = until_over(backend, handle)
        assert report.state is JobState.FAILED
        assert [(failure.index, failure.kind) for failure in report.failures] == [
            (0, FailureKind.PREEMPTED),
            (1, FailureKind.PREEMPTED),
        ]
        assert said in (report.failures[0].native_reason or "")

    def test_the_time_limit_of_the_service_is_a_timeout(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        spec = JobSpec(image="busybox", command=("sleep", "600"), prelude=False, max_run_seconds=60)
        handle = backend.submit(spec, new_key())
        job = backend.hook.get_job(handle.native_id)
        assert job["timeout"] == {"attemptDurationSeconds": 60}
        backend.cancel(handle, "the test is over")

    def test_a_job_that_began_twice_began_with_its_first_attempt(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        spec = JobSpec(
            image="busybox", script="exit $JOB_ATTEMPT", options={"retry_strategy": {"attempts": 2}}
        )
        spec = spec.model_copy(update={"script": '[ "$JOB_ATTEMPT" = 1 ] && exit 0; exit 5'})
        handle = backend.submit(spec, new_key())
        report = until_over(backend, handle)
        assert report.state is JobState.SUCCEEDED
        first, second = backend.hook.get_job(handle.native_id)["attempts"]
        assert first["container"]["exitCode"] == 5
        assert report.started_at is not None
        assert int(report.started_at.timestamp() * 1000) == first["startedAt"] <= second["startedAt"]


class TestNodes:
    def test_a_job_on_several_nodes_ends_as_its_main_node(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        script = 'n=$AWS_BATCH_JOB_NODE_INDEX; echo "node $n"; [ "$n" = 0 ] && exit 7; exec sleep 600'
        spec = JobSpec(image="busybox", script=script, options={"num_nodes": 2})
        handle = backend.submit(spec, new_key())
        assert handle.size == 1
        report = until_over(backend, handle)
        assert report.state is JobState.FAILED
        failure = report.failures[0]
        assert (failure.kind, failure.index, failure.exit_code) == (FailureKind.USER_CODE, 0, 7)
        assert failure.message == "node 0 exited with code 7"
        (page,) = backend.read_logs([LogCursor(handle=handle)])
        assert ("node 0", "node 0", 0) in {(line.container, line.message, line.index) for line in page.lines}


class TestDependencies:
    def test_an_array_waits_index_by_index_and_fails_with_what_it_waits_for(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        first = backend.submit(write_shell_spec(Work(size=2, exit_codes={1: 3})), new_key())
        depends_on = [{"jobId": first.native_id, "type": "N_TO_N"}]
        spec = JobSpec(image="busybox", script="true", array_size=2, options={"depends_on": depends_on})
        report = until_over(backend, backend.submit(spec, new_key()))
        assert report.state is JobState.FAILED
        assert report.array is not None
        assert report.array.failed_indexes == (1,)
        assert [(failure.index, failure.kind, failure.retryable) for failure in report.failures] == [
            (1, FailureKind.CONFIG, False)
        ]


def test_a_job_that_is_gone_has_no_explanation(backend: AwsBatchBackend) -> None:
    handle = backend.submit(SPEC, new_key())
    gone = JobHandle(**{**handle.model_dump(), "native_id": "11111111-1111-4111-8111-111111111111"})
    with pytest.raises(NotFound):
        backend.explain(gone)
    backend.cancel(gone, "nobody there")
    assert not backend.describe([gone])[0].found
