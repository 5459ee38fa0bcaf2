"""Whoever renews credentials may be in trouble, too: that is waited for as trouble of the service is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.backends.aws_batch.hook import AwsBatchHook
from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook
from airflow_provider_jobs.core.errors import AccessDenied, CredentialsExpired, UnavailableError
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import local_cloud
from tests.faults import sockets
from tests.faults.troubled import error_of

IMPATIENT_SECONDS = 0.3
SOON_SECONDS = 10.0
ROLE = "arn:aws:iam::123456789012:role/r"


@pytest.fixture(scope="module")
def started() -> Iterator[LocalCloud]:
    with local_cloud("aws_batch") as cloud:
        yield cloud


@pytest.fixture
def cloud(started: LocalCloud) -> LocalCloud:
    started.admin.reset()
    return started


def connect(monkeypatch: pytest.MonkeyPatch, cloud: LocalCloud, sts: str = "", **extra: Any) -> None:
    """Set the connection ``mine``, which assumes a role.

    :param sts: where the role is assumed, the local cloud otherwise
    """
    connection = cloud.connections["aws_default"]
    services = {"sts": {"endpoint_url": sts or cloud.http}}
    values = {**connection["extra"], "role_arn": ROLE, "service_config": services, **extra}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({**connection, "extra": values}))


@pytest.mark.parametrize("call", ["describe_jobs", "submit_job"])
def test_a_role_that_cannot_be_assumed_for_now_comes_back(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    connect(monkeypatch, cloud)
    hook = AwsBatchHook("mine")
    for code, kind in (
        ("ExpiredToken", CredentialsExpired),
        ("ServiceUnavailable", UnavailableError),
        ("AccessDenied", AccessDenied),
    ):
        cloud.admin.add_fault(method="STS/AssumeRole", error={"code": code}, times=1)
        assert type(error_of(lambda: _ask(hook, call))) is kind
    assert hook.describe_jobs(["j"]) == []


def _ask(hook: AwsBatchHook, call: str) -> None:
    if call == "describe_jobs":
        hook.describe_jobs(["j"])
    else:
        hook.submit_job(jobName="j", jobQueue="default", jobDefinition="d")


def test_nobody_waits_for_long_for_a_service_of_tokens_that_does_not_answer(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sockets.mute() as address:
        connect(monkeypatch, cloud, sts=f"http://{address}")
        hook = AwsBatchHook("mine", connect_seconds=IMPATIENT_SECONDS, read_seconds=IMPATIENT_SECONDS)
        began = time.monotonic()
        assert type(error_of(lambda: hook.describe_jobs(["j"]))) is UnavailableError
        assert time.monotonic() - began < SOON_SECONDS


def test_the_file_of_a_token_that_is_missing_may_come_yet(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    connect(
        monkeypatch,
        cloud,
        assume_role_method="assume_role_with_web_identity",
        assume_role_with_web_identity_federation="file",
        assume_role_with_web_identity_token_file=str(token),
    )
    hook = AwsBatchHook("mine")
    error = error_of(lambda: hook.submit_job(jobName="j", jobQueue="default", jobDefinition="d"))
    assert type(error) is CredentialsExpired
    assert str(token) not in str(error)


def test_nobody_waits_for_long_for_an_entra_id_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "azure_batch", "extra": {"account_url": "https://account.invalid"}}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps(connection))
    monkeypatch.setenv("AZURE_TENANT_ID", "11111111-1111-1111-1111-111111111111")
    monkeypatch.setenv("AZURE_CLIENT_ID", "c")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "geheim")
    with sockets.mute() as address:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"https://{address}")
        hook = AzureBatchHook("mine", timeout_seconds=IMPATIENT_SECONDS)
        began = time.monotonic()
        assert type(error_of(lambda: hook.get_job("j"))) is UnavailableError
        assert time.monotonic() - began < SOON_SECONDS
