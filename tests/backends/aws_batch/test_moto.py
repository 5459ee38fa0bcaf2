"""The same calls against moto's server, which nobody here wrote, for what it can do.

It takes requests, names children, counts them and pages logs. Jobs end within their submission there and
write no log, so lines are put into CloudWatch Logs by the test itself.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import pytest

from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.backends.aws_batch.hook import AwsBatchHook
from airflow_provider_jobs.backends.aws_batch.positions import Position, Progress
from airflow_provider_jobs.backends.aws_batch.streams import Stream
from airflow_provider_jobs.core.errors import JobsError, NotFound
from airflow_provider_jobs.core.identity import job_labels
from airflow_provider_jobs.core.models import BackendRef, LogCursor
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from tests.backends.aws_batch.conftest import new_key
from tests.moto_server import moto_server

PATIENCE_SECONDS = 60.0
GROUP = "/aws/batch/job"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a server of moto's that runs no containers."""
    with moto_server(tmp_path_factory.mktemp("moto")) as address:
        yield address


@pytest.fixture(scope="module")
def queue(moto: str) -> Iterator[str]:
    """Yield a queue there, with a connection ``moto`` to it."""
    connection = {
        "conn_type": "aws",
        "login": "key",
        "password": "secret",
        "extra": {"region_name": "eu-west-1", "endpoint_url": moto},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_MOTO", json.dumps(connection))
        session = AwsBatchHook("moto").get_session(region_name="eu-west-1")
        role = session.client("iam", endpoint_url=moto).create_role(
            RoleName="batch", AssumeRolePolicyDocument="{}"
        )["Role"]["Arn"]
        batch = AwsBatchHook("moto").batch
        environment = batch.create_compute_environment(
            computeEnvironmentName="env", type="UNMANAGED", state="ENABLED", serviceRole=role
        )["computeEnvironmentArn"]
        order = [{"order": 1, "computeEnvironment": environment}]
        batch.create_job_queue(jobQueueName="q", state="ENABLED", priority=1, computeEnvironmentOrder=order)
        yield "q"


@pytest.fixture
def backend(queue: str) -> AwsBatchBackend:
    """Return a backend on moto."""
    return AwsBatchBackend(BackendRef(backend="aws_batch", conn_id="moto", scope={"job_queue": queue}))


class TestJobs:
    def test_a_job_is_submitted_once_and_found_by_its_name_and_tag(self, backend: AwsBatchBackend) -> None:
        key = new_key()
        spec = JobSpec(
            image="busybox", script="true", env={"A": "1"}, cpu=2, memory="4Gi", labels={"team": "ml"}
        )
        handle = backend.submit(spec, key)
        assert backend.submit(spec, key) == handle
        assert backend.find(key) == handle
        assert backend.find(new_key()) is None
        job = backend.hook.get_job(handle.native_id)
        assert job["tags"] == {**job_labels(key), "team": "ml"}
        told = {each["name"]: each["value"] for each in job["container"]["environment"]}
        assert (told["A"], told["JOB_COUNT"]) == ("1", "1")

    def test_a_definition_is_registered_once(self, backend: AwsBatchBackend) -> None:
        spec = JobSpec(image="once:1", script="true")
        jobs = [backend.hook.get_job(backend.submit(spec, new_key()).native_id) for _ in range(2)]
        assert len({job["jobDefinition"] for job in jobs}) == 1
        name = jobs[0]["jobDefinition"].rpartition("/")[2].partition(":")[0]
        assert name.startswith("airflow-once-1-")
        assert len(list(backend.hook.describe_job_definitions(name=name))) == 1

    def test_an_array_is_counted_by_the_summary_of_its_children(self, backend: AwsBatchBackend) -> None:
        handle = backend.submit(JobSpec(image="busybox", script="true", array_size=5), new_key())
        (report,) = backend.describe([handle])
        assert (handle.size, report.state) == (5, JobState.SUCCEEDED)
        assert report.array is not None
        assert (report.array.succeeded, report.array.failed) == (5, 0)
        children = backend.hook.list_jobs(array_job_id=handle.native_id, status="SUCCEEDED")
        assert {child["jobId"] for child in children} == {f"{handle.native_id}:{n}" for n in range(5)}

    def test_another_process_finds_the_indexes_of_a_part(self, backend: AwsBatchBackend) -> None:
        key = new_key()
        spec = JobSpec(image="busybox", script="true", array_size=9, indexes=(3, 7))
        handle = backend.submit(spec, key)
        assert handle.indexes == (3, 7)
        assert backend.find(key) == handle

    def test_missing_jobs_are_reported_and_a_cancel_of_one_is_fine(self, backend: AwsBatchBackend) -> None:
        handle = backend.submit(JobSpec(image="busybox", script="true"), new_key())
        gone = handle.model_copy(update={"native_id": "11111111-1111-4111-8111-111111111111"})
        reports = backend.describe([gone, handle])
        assert [report.found for report in reports] == [False, True]

    def test_an_answer_that_is_an_error_is_one_of_ours(self, backend: AwsBatchBackend) -> None:
        with pytest.raises(JobsError, match="does not exist"):
            backend.hook.submit_job(jobName="j", jobQueue="nowhere", jobDefinition="none")


class TestLogs:
    @pytest.fixture
    def streams(self, backend: AwsBatchBackend) -> list[str]:
        """Write 50 lines into each of 3 streams, several of them in one millisecond."""
        logs = backend.hook.logs()
        names = [f"d/default/{new_key().digest}" for _ in range(3)]
        now_ms = int(time.time() * 1000)
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=GROUP)
        for name in names:
            logs.create_log_stream(logGroupName=GROUP, logStreamName=name)
            events = [{"timestamp": now_ms + n // 5, "message": f"line {n}"} for n in range(50)]
            logs.put_log_events(logGroupName=GROUP, logStreamName=name, logEvents=events)
        return names

    def test_a_stream_is_read_page_by_page_until_its_token_repeats(
        self, backend: AwsBatchBackend, streams: list[str]
    ) -> None:
        messages, token = [], ""
        while True:
            page = backend.hook.get_log_events(GROUP, streams[0], page_token=token, page_size=20)
            messages += [event["message"] for event in page.items]
            if page.next_token == token:
                break
            token = page.next_token
        assert messages == [f"line {n}" for n in range(50)]

    def test_many_streams_are_read_page_by_page_until_there_is_no_token(
        self, backend: AwsBatchBackend, streams: list[str]
    ) -> None:
        found, token, pages = [], "", 0
        while pages == 0 or token:
            page = backend.hook.filter_log_events(GROUP, streams, page_token=token, page_size=40)
            found += [event["eventId"] for event in page.items]
            token, pages = page.next_token, pages + 1
        assert len(found) == len(set(found)) == 150
        assert pages > 1

    def test_a_cursor_hands_every_line_out_once(self, backend: AwsBatchBackend, streams: list[str]) -> None:
        handle = backend.submit(JobSpec(image="busybox", script="true", array_size=3), new_key())
        position = Position(count=3, done={0, 1, 2})
        for task, name in enumerate(streams):
            position.streams[name] = Progress(Stream(name, GROUP, task=task), from_ms=0)
        cursor = LogCursor(handle=handle, position=position.to_json())
        (page,) = backend.read_logs([cursor])
        assert not page.more
        for index in range(3):
            told = [line.message for line in page.lines if line.index == index]
            assert told == [f"line {n}" for n in range(50)]
        (again,) = backend.read_logs([LogCursor(handle=handle, position=page.position)])
        assert again.lines == ()

    def test_a_group_that_is_not_there_is_not_found(self, backend: AwsBatchBackend) -> None:
        with pytest.raises(NotFound):
            backend.hook.filter_log_events("/nowhere", ["s"])
