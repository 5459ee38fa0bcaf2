"""What the backend adds to the contract: the job behind the executions, and what happens in between."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run import request
from airflow_provider_jobs.backends.cloud_run.backend import CloudRunBackend
from airflow_provider_jobs.backends.cloud_run.hook import CloudRunHook
from airflow_provider_jobs.core.errors import (
    AlreadyExists,
    AmbiguousError,
    InvalidArgument,
    NotFound,
    TransientError,
    UnavailableError,
)
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from airflow_provider_jobs.engine.calls import repeat
from tests.backends.cloud_run.conftest import REF, REGION
from tests.google_cloud.wire import GrpcRecorder

SPEC = JobSpec(image="busybox:1", script="exit 0")
ENDLESS = JobSpec(image="busybox:1", script="exec sleep 600")


def new_key() -> JobKey:
    """Return a key of a task that has no job."""
    return JobKey(dag_id=f"d-{uuid.uuid4().hex}", run_id="r", task_id="t")


def existing_job(hook: CloudRunHook, *containers: str, command: str = "true", **template: int) -> str:
    """Make a job as somebody else would and return its short name."""
    job_name = f"j-{uuid.uuid4().hex[:12]}"
    made = [
        {"name": name, "image": "busybox:1", "command": ["/bin/sh", "-c", command, "job"], "args": ["mine"]}
        for name in containers or ("main",)
    ]
    job = {"template": {"template": {"containers": made, "max_retries": 0}, **template}}
    hook.create_job(None, REGION, job_name, job)
    return job_name


def open_on(job_name: str) -> CloudRunBackend:
    """Return a backend that runs a job that exists."""
    return CloudRunBackend(REF.model_copy(update={"scope": {"region": REGION, "job_name": job_name}}))


def execution_of(backend: CloudRunBackend, handle: JobHandle) -> run_v2.Execution:
    """Return the service's record of an execution."""
    return backend.hook.get_execution(handle.native_id)


def end(backend: CloudRunBackend, handle: JobHandle) -> JobReport:
    """Return the report of an execution at its end."""
    while True:
        (report,) = backend.describe([handle])
        if report.state and report.state.is_terminal:
            return report


def run(backend: CloudRunBackend, handle: JobHandle) -> None:
    """Return when an execution is running."""
    while next(backend.describe([handle])).state is not JobState.RUNNING:
        pass


class TestAJobThatIsMade:
    def test_the_first_run_makes_it_and_the_next_only_runs_it(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        key = new_key()
        first = backend.submit(SPEC, key)
        second = backend.submit(
            SPEC.model_copy(update={"script": "exit 1", "env": {"A": "1"}}), key.next_attempt()
        )
        counts = {name: quiet_cloud.admin.calls(name) for name in ("CreateJob", "UpdateJob", "RunJob")}
        assert counts == {"CreateJob": 1, "UpdateJob": 0, "RunJob": 2}
        assert first.native_id != second.native_id
        assert {name.rpartition("/executions/")[0] for name in (first.native_id, second.native_id)} == {
            f"projects/local-project/locations/{REGION}/jobs/{request.job_id(key)}"
        }

    def test_a_change_of_the_task_changes_it_and_not_what_runs_already(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        key = new_key()
        first = backend.submit(ENDLESS, key)
        second = backend.submit(SPEC.model_copy(update={"image": "busybox:2"}), key.next_attempt())
        assert quiet_cloud.admin.calls("UpdateJob") == 1
        images = [execution_of(backend, handle).template.containers[0].image for handle in (first, second)]
        assert images == ["busybox:1", "busybox:2"]
        assert not end(backend, second).failures
        backend.cancel(first, "the test is over")

    def test_runs_that_want_it_different_at_one_time_each_get_their_own(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        key = new_key()

        def submit(number: int) -> tuple[str, str]:
            own = CloudRunBackend(REF)
            image = f"busybox:{number % 3}"
            mapped = key.model_copy(update={"map_index": number})
            spec = SPEC.model_copy(update={"image": image})
            handle = repeat(lambda: own.submit(spec, mapped), within_seconds=100, sleep=lambda seconds: None)
            return image, execution_of(own, handle).template.containers[0].image

        with ThreadPoolExecutor(9) as pool:
            got = list(pool.map(submit, range(9)))
        assert [image for image, _ in got] == [image for _, image in got]
        assert len(list(backend.hook.list_executions(backend._job_name(key)))) == 9

    def test_a_job_of_its_name_that_somebody_else_made_is_never_touched(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        job_name = existing_job(backend.hook)
        with pytest.raises(AlreadyExists, match=r"was not made by this provider .*Leave image out"):
            open_on(job_name).submit(SPEC, new_key())
        assert quiet_cloud.admin.calls("UpdateJob") == quiet_cloud.admin.calls("RunJob") == 0

    def test_it_may_be_given_a_name(self, backend: CloudRunBackend) -> None:
        job_name = f"mine-{uuid.uuid4().hex[:8]}"
        handle = open_on(job_name).submit(SPEC, new_key())
        assert f"/jobs/{job_name}/executions/{job_name}-" in handle.native_id

    def test_one_that_is_gone_is_made_again(self, quiet_cloud: LocalCloud, backend: CloudRunBackend) -> None:
        key = new_key()
        end(backend, backend.submit(SPEC, key))
        backend.hook.delete_job(backend._job_name(key))
        assert backend.find(key) is None
        backend.submit(SPEC, key)
        assert quiet_cloud.admin.calls("CreateJob") == 2

    def test_deleting_the_execution_leaves_it_for_the_next_run(self, backend: CloudRunBackend) -> None:
        key = new_key()
        handle = backend.submit(SPEC, key)
        end(backend, handle)
        backend.delete(handle)
        while next(backend.describe([handle])).found:
            pass
        assert request.is_ours(backend.hook.get_job(backend._job_name(key)))

    def test_a_refused_spec_sends_nothing(self, quiet_cloud: LocalCloud, backend: CloudRunBackend) -> None:
        with pytest.raises(InvalidArgument, match=r"^secrets: TOKEN holds no reference"):
            backend.submit(SPEC.model_copy(update={"secrets": {"TOKEN": "geheim"}}), new_key())
        assert quiet_cloud.admin.counters() == {}


class TestWhatTheServiceRarelySays:
    """Answers that a local cloud never gives, laid over those that it does give."""

    REF = BackendRef(backend="cloud_run", conn_id="wired", scope={"region": REGION})

    def job_that(self, wire: GrpcRecorder, key: JobKey, **fields: Any) -> CloudRunBackend:
        """Return a backend to which the job of a key, made before, looks different in some fields."""
        CloudRunBackend(REF).submit(SPEC, key)

        def rewrite(answer: bytes) -> bytes:
            job = run_v2.Job.deserialize(answer)
            for name, value in fields.items():
                setattr(job, name, value)
            return run_v2.Job.serialize(job)

        wire.rewrites["GetJob"] = rewrite
        return CloudRunBackend(self.REF)

    def test_a_job_that_the_service_could_not_make_is_made_anew(
        self, quiet_cloud: LocalCloud, wire: GrpcRecorder
    ) -> None:
        key = new_key()
        failed = run_v2.Condition(type_="Ready", state=run_v2.Condition.State.CONDITION_FAILED)
        backend = self.job_that(wire, key, terminal_condition=failed)
        backend.submit(SPEC, key.next_attempt())
        assert quiet_cloud.admin.calls("UpdateJob") == 1

    @pytest.mark.parametrize("fields", [{"reconciling": True}, {"delete_time": "2030-01-01T00:00:00Z"}])
    def test_a_job_that_is_being_changed_is_a_moments_trouble(
        self, quiet_cloud: LocalCloud, wire: GrpcRecorder, fields: dict[str, Any]
    ) -> None:
        key = new_key()
        backend = self.job_that(wire, key, **fields)
        with pytest.raises(TransientError, match="is being made, changed or deleted"):
            backend.submit(SPEC, key.next_attempt())
        assert quiet_cloud.admin.calls("RunJob") == 1

    def test_an_answer_that_names_no_execution_is_as_good_as_none(
        self, quiet_cloud: LocalCloud, wire: GrpcRecorder
    ) -> None:
        wire.rewrites["RunJob"] = lambda answer: b""
        key, backend = new_key(), CloudRunBackend(self.REF)
        with pytest.raises(AmbiguousError):
            backend.submit(SPEC, key)
        found = backend.find(key)
        assert found is not None
        assert backend.submit(SPEC, key) == found

    @pytest.mark.parametrize("method", ["CreateJob", "UpdateJob"])
    def test_a_lost_answer_about_the_job_leads_to_one_job_and_one_execution(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend, method: str
    ) -> None:
        key = new_key()
        if method == "UpdateJob":
            backend.submit(SPEC.model_copy(update={"image": "busybox:0"}), key.next_attempt())
        quiet_cloud.admin.add_fault(method=method, drop_answer="reset", times=1)
        with pytest.raises(AmbiguousError):
            backend.submit(SPEC, key)
        assert backend.find(key) is None
        handle = backend.submit(SPEC, key)
        assert quiet_cloud.admin.calls(method) == 1
        assert execution_of(backend, handle).template.containers[0].image == "busybox:1"


class TestAJobThatExists:
    def test_it_runs_as_it_is_with_this_runs_arguments(self, backend: CloudRunBackend) -> None:
        own = open_on(existing_job(backend.hook, command='echo "$@ $A"'))
        handles = [
            own.submit(JobSpec(options=options, env={"A": "1"}), new_key())
            for options in ({}, {"args": ["yours"]}, {"clear_args": True})
        ]
        for handle in handles:
            assert end(own, handle).state is JobState.SUCCEEDED
        said: list[list[str]] = []
        for handle in handles:
            while not (lines := own.hook.read_logs(handle.native_id)):
                pass
            said.append([line.message.strip() for line in lines])
        assert said == [["mine 1"], ["yours 1"], ["1"]]

    def test_it_has_as_many_tasks_as_it_says_itself(self, backend: CloudRunBackend) -> None:
        own = open_on(existing_job(backend.hook, task_count=3))
        assert own.submit(JobSpec(), new_key()).size == 3
        assert own.submit(JobSpec(options={"task_count": 1}), new_key()).size == 1

    def test_every_container_gets_what_is_said_of_it(self, backend: CloudRunBackend) -> None:
        own = open_on(existing_job(backend.hook, "main", "proxy"))
        overrides = [{"name": "main", "env": {"B": "2"}}, {"name": "proxy", "args": ["fast"]}]
        key = new_key()
        handle = own.submit(JobSpec(env={"A": "1"}, options={"container_overrides": overrides}), key)
        main, proxy = execution_of(own, handle).template.containers
        assert {"A": "1", "B": "2"}.items() <= {each.name: each.value for each in main.env}.items()
        assert (list(main.args), list(proxy.args)) == (["mine"], ["fast"])
        assert own.find(key) == handle

    def test_one_that_does_not_exist_is_told(self, cloud: LocalCloud) -> None:
        with pytest.raises(NotFound, match="nobody"):
            open_on("nobody").submit(JobSpec(), new_key())

    def test_without_a_name_and_without_an_image_nothing_says_what_to_run(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        with pytest.raises(InvalidArgument, match=r"^image: nothing says what to run\. Give job_name"):
            backend.submit(JobSpec(), new_key())
        assert quiet_cloud.admin.counters() == {}


class TestHandles:
    def test_executions_of_all_jobs_and_regions_are_waited_for_together(self, cloud: LocalCloud) -> None:
        refs = [
            REF.model_copy(update={"scope": {"region": region, **job}})
            for region, job in (("europe-west1", {}), ("us-east4", {}), ("us-east4", {"job_name": "named"}))
        ]
        handles = [CloudRunBackend(ref).submit(SPEC, new_key()) for ref in refs]
        (ref,) = {handle.ref for handle in handles}
        assert ref.scope == {"project_id": "local-project"}
        reports = list(CloudRunBackend(ref).describe(handles))
        assert {report.native_id for report in reports if report.found} == {
            handle.native_id for handle in handles
        }

    def test_the_handle_keeps_as_whom_the_service_is_called(self, cloud: LocalCloud) -> None:
        scope = {"region": REGION, "project_id": "other-1", "impersonation_chain": "a@p.com"}
        handle = CloudRunBackend(REF.model_copy(update={"scope": scope})).submit(SPEC, new_key())
        assert handle.ref.scope == {"project_id": "other-1", "impersonation_chain": "a@p.com"}
        assert handle.native_id.startswith("projects/other-1/")

    def test_it_is_named_as_the_service_names_it(self, backend: CloudRunBackend) -> None:
        handle = backend.submit(SPEC, new_key())
        assert handle.native_id.endswith(f"/executions/{handle.name}")
        assert handle.console_url
        assert handle.name in handle.console_url

    @pytest.mark.parametrize(
        ("scope", "message"),
        [
            ({"region": "mars"}, "^region: 'mars' is refused"),
            ({"region": "europe-west1", "zone": "b"}, "^zone: "),
            ({"region": "europe-west1", "job_name": "Big"}, "^job_name: 'Big' is refused"),
        ],
    )
    def test_a_scope_that_cannot_be_meant_is_refused(self, scope: dict[str, str], message: str) -> None:
        with pytest.raises(InvalidArgument, match=message):
            CloudRunBackend(BackendRef(backend="cloud_run", conn_id="google_cloud_default", scope=scope))

    def test_nothing_is_submitted_without_a_region(self, cloud: LocalCloud) -> None:
        nowhere = CloudRunBackend(REF.model_copy(update={"scope": {}}))
        with pytest.raises(InvalidArgument, match=r"^region: it is not given"):
            nowhere.submit(SPEC, new_key())

    def test_a_connection_that_does_not_exist_is_named(self) -> None:
        ref = BackendRef(backend="cloud_run", conn_id="nowhere", scope={"region": REGION})
        with pytest.raises(InvalidArgument, match="no connection 'nowhere'"):
            CloudRunBackend(ref)


class TestEnds:
    def test_the_time_limit_of_a_task_is_a_timeout(self, backend: CloudRunBackend) -> None:
        handle = backend.submit(ENDLESS.model_copy(update={"max_run_seconds": 1}), new_key())
        report = end(backend, handle)
        assert report.state is JobState.FAILED
        assert [failure.kind for failure in report.failures] == [FailureKind.TIMEOUT]

    def test_a_signal_is_told_by_its_name(self, backend: CloudRunBackend) -> None:
        handle = backend.submit(SPEC.model_copy(update={"script": "kill -SEGV $$"}), new_key())
        (failure,) = end(backend, handle).failures
        assert failure.kind is FailureKind.USER_CODE

    def test_the_service_repeats_nothing_unless_it_is_told_to(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        script = 'echo "try $JOB_ATTEMPT"; exit 3'
        once, twice = (
            backend.submit(SPEC.model_copy(update={"script": script, "options": options}), new_key())
            for options in ({}, {"max_retries": 1})
        )
        for handle, tries in ((once, 1), (twice, 2)):
            assert end(backend, handle).failures[0].exit_code == 3
            said: list[str] = []
            while len(said) < tries:
                said = [line.message for line in backend.hook.read_logs(handle.native_id)]
            assert said == [f"try {number}" for number in range(tries)]

    def test_a_cancelled_execution_is_cancelled_whatever_had_succeeded(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        script = '[ "$JOB_INDEX" = 0 ] && exit 0; exec sleep 600'
        handle = backend.submit(SPEC.model_copy(update={"script": script, "array_size": 3}), new_key())
        while not ((array := next(backend.describe([handle])).array) and array.succeeded):
            pass
        backend.cancel(handle, "the test wants it")
        report = end(backend, handle)
        assert report.state is JobState.CANCELLED
        assert report.array is not None
        assert (report.array.succeeded, report.array.failed) == (1, 2)

    def test_a_cancel_that_never_reached_the_service_is_told_and_not_swallowed(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        handle = backend.submit(ENDLESS, new_key())
        quiet_cloud.admin.add_fault(
            method="CancelExecution", error={"code": "UNAVAILABLE", "message": "failed to connect"}
        )
        with pytest.raises(UnavailableError):
            backend.cancel(handle, "why")

    def test_an_execution_that_waits_is_explained(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        quiet_cloud.admin.hold("scheduled")
        handle = backend.submit(SPEC, new_key())
        assert next(backend.describe([handle])).state is JobState.QUEUED
        assert "The image is still being fetched" in (backend.explain(handle) or "")


def test_an_execution_of_another_version_is_taken_back_where_the_etag_did_not_guard_it(
    backend: CloudRunBackend,
) -> None:
    key, other = new_key(), JobSpec(image="busybox:2", script="exec sleep 600")
    name = backend._job_name(key)
    stale = backend._ready(name, request.build_job(SPEC, key))
    backend._ready(name, request.build_job(other, key))
    with pytest.raises(TransientError, match="changed at the same time"):
        backend._run(stale._replace(etag=""), request.build_overrides(SPEC, key))
    assert backend.find(key) is None
    handle = backend.submit(SPEC, key)
    assert execution_of(backend, handle).template.containers[0].image == "busybox:1"
