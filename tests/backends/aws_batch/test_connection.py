"""The hook's connection in all shapes: how calls are sent, to where, and as whom."""

from __future__ import annotations

import json
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.backends.aws_batch.hook import AwsBatchHook
from airflow_provider_jobs.core.errors import (
    AccessDenied,
    InvalidArgument,
    ThrottledError,
    UnavailableError,
)
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.emulator.process import LocalCloud

QUEUE = "default"


class TestCallsAreSentOnce:
    @pytest.mark.parametrize("config", [{}, {"retries": {"mode": "adaptive", "max_attempts": 10}}])
    def test_trouble_is_raised_at_the_first_answer_whatever_the_connection_says(
        self, quiet_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
    ) -> None:
        connect(monkeypatch, endpoint_url=quiet_cloud.http, config_kwargs=config)
        quiet_cloud.admin.add_fault(method="DescribeJobs", error={"code": "ServiceUnavailable"})
        with pytest.raises(UnavailableError):
            AwsBatchHook("mine").get_job("j")
        assert quiet_cloud.admin.calls("DescribeJobs") == 1

    def test_throttling_is_raised_at_the_first_answer(
        self, quiet_cloud: LocalCloud, hook: AwsBatchHook
    ) -> None:
        quiet_cloud.admin.add_fault(method="FilterLogEvents", error={"code": "ThrottlingException"})
        with pytest.raises(ThrottledError):
            hook.filter_log_events("/aws/batch/job", ["s"])
        assert quiet_cloud.admin.calls("FilterLogEvents") == 1

    def test_a_call_ends_at_its_timeout(self, quiet_cloud: LocalCloud) -> None:
        impatient = AwsBatchHook(read_seconds=0.3)
        quiet_cloud.admin.add_fault(method="ListJobs", delay_seconds=5)
        with pytest.raises(UnavailableError, match="ReadTimeoutError"):
            next(impatient.list_jobs(QUEUE))

    def test_the_connection_may_set_other_timeouts(
        self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect(
            monkeypatch, endpoint_url=cloud.http, config_kwargs={"read_timeout": 77, "user_agent_extra": "x"}
        )
        config = AwsBatchHook("mine").batch.meta.config
        assert (config.read_timeout, config.connect_timeout) == (77, 10.0)
        assert config.retries["total_max_attempts"] == 1
        assert config.user_agent_extra.startswith("x airflow-provider-jobs/")

    def test_threads_share_one_client_per_service(self, hook: AwsBatchHook) -> None:
        with futures.ThreadPoolExecutor(8) as pool:
            batch = set(pool.map(lambda _: id(hook.batch), range(32)))
            logs = set(pool.map(lambda _: id(hook.logs()), range(32)))
        assert (len(batch), len(logs)) == (1, 1)
        assert hook.logs(hook.region) is hook.logs()
        assert hook.logs("eu-west-1").meta.region_name == "eu-west-1"


def connect(monkeypatch: pytest.MonkeyPatch, *, login: str | None = "key", **extra: Any) -> None:
    """Set the connection ``mine``."""
    value: dict[str, Any] = {"conn_type": "aws", "extra": {"region_name": "eu-west-1", **extra}}
    if login:
        value |= {"login": login, "password": "geheim"}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps(value))


@pytest.fixture
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the credentials of whoever runs the tests."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class TestConnection:
    def test_it_is_tested_with_a_call_of_the_service(
        self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect(monkeypatch, endpoint_url=cloud.http)
        assert AwsBatchHook("mine").test_connection() == (True, "Job queues of eu-west-1 can be described")

    def test_one_that_does_not_exist_is_named_in_one_line(self) -> None:
        with pytest.raises(InvalidArgument) as caught:
            AwsBatchHook("nowhere")
        assert str(caught.value).startswith("aws_conn_id: there is no connection 'nowhere'. Create it")
        assert "\n" not in str(caught.value)

    @pytest.mark.usefixtures("_no_credentials")
    @pytest.mark.parametrize("conn_id", ["aws_default", None])
    def test_without_a_connection_boto3_looks_for_credentials_itself(
        self, monkeypatch: pytest.MonkeyPatch, conn_id: str | None
    ) -> None:
        monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT", raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-machine")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
        hook = AwsBatchHook(conn_id)
        assert hook.region == "eu-north-1"
        assert hook.get_credentials().access_key == "of-the-machine"

    @pytest.mark.usefixtures("_no_credentials")
    def test_a_region_that_nobody_names_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, region_name=None)
        hook = AwsBatchHook("mine")
        for call in (lambda: hook.get_job("j"), hook.test_connection):
            with pytest.raises(InvalidArgument, match="region_name: neither the task nor connection 'mine'"):
                call()

    def test_the_region_that_is_given_stands_before_the_connections(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect(monkeypatch)
        assert AwsBatchHook("mine").region == "eu-west-1"
        assert AwsBatchHook("mine", "us-west-2").region == "us-west-2"
        scope = {"region_name": "ap-south-1"}
        backend = AwsBatchBackend(BackendRef(backend="aws_batch", conn_id="mine", scope=scope))
        assert backend.hook.region == "ap-south-1"

    def test_the_public_address_is_used_where_none_is_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch)
        hook = AwsBatchHook("mine")
        assert hook.batch.meta.endpoint_url == "https://batch.eu-west-1.amazonaws.com"
        assert hook.logs().meta.endpoint_url == "https://logs.eu-west-1.amazonaws.com"

    def test_logs_may_be_reached_at_an_endpoint_of_their_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(
            monkeypatch,
            endpoint_url="http://127.0.0.1:1",
            service_config={"logs": {"endpoint_url": "http://127.0.0.1:2"}},
        )
        hook = AwsBatchHook("mine")
        assert hook.batch.meta.endpoint_url == "http://127.0.0.1:1"
        assert hook.logs().meta.endpoint_url == "http://127.0.0.1:2"

    def test_an_endpoint_that_refuses_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, endpoint_url="http://127.0.0.1:1")
        hook = AwsBatchHook("mine")
        for call in (
            lambda: hook.get_job("j"),
            lambda: hook.submit_job(jobName="j", jobQueue="q", jobDefinition="d"),
        ):
            with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:1"):
                call()
        works, told = hook.test_connection()
        assert not works
        assert "http://127.0.0.1:1" in told


@pytest.mark.usefixtures("_no_credentials")
class TestCredentials:
    def test_none_at_all_are_denied_with_advice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, login=None)
        with pytest.raises(AccessDenied, match="aws sts get-caller-identity"):
            AwsBatchHook("mine").get_job("j")

    @pytest.mark.parametrize(
        "extra",
        [
            {"profile_name": "nobody"},
            {
                "role_arn": "arn:aws:iam::123456789012:role/r",
                "service_config": {"sts": {"endpoint_url": "http://127.0.0.1:1"}},
            },
            {"role_arn": "arn:aws:iam::123456789012:role/r", "assume_role_method": "by magic"},
        ],
    )
    def test_what_is_wrong_with_them_is_said_without_a_word_of_what_they_hold(
        self, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]
    ) -> None:
        connect(monkeypatch, config_kwargs={"retries": {"total_max_attempts": 1}}, **extra)
        hook = AwsBatchHook("mine")
        with pytest.raises((AccessDenied, UnavailableError)) as caught:
            hook.get_job("j")
        assert "geheim" not in f"{caught.value} {hook!r} {hook}"
        assert caught.value.advice
