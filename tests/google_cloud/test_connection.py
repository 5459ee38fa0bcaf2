"""A Google connection in all shapes, behind the hook of every service that uses one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import impersonated_credentials
from google.cloud.batch_v1 import BatchServiceClient
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.run_v2 import ExecutionsClient, JobsClient
from google.oauth2 import service_account

from airflow_provider_jobs.backends.cloud_run.hook import CloudRunHook
from airflow_provider_jobs.backends.gcp_batch.hook import GcpBatchHook
from airflow_provider_jobs.core.errors import AccessDenied, InvalidArgument, UnavailableError
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.emulator.process import LocalCloud
from airflow_provider_jobs.google_cloud.hook import GoogleCloudHook

REGION = "europe-west1"
EMAIL = "jobs@p.iam.gserviceaccount.com"
JOB = f"projects/p-1/locations/{REGION}/jobs/j"
CLIENTS = [(BatchServiceClient, "batch"), (JobsClient, "run"), (ExecutionsClient, "run")]


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Yield a local cloud of both services."""
    with LocalCloud("--dialect", "gcp_batch", "--dialect", "cloud_run") as started:
        yield started


@pytest.fixture(params=[GcpBatchHook, CloudRunHook])
def kind(request: pytest.FixtureRequest) -> Any:
    """Return the hook of one service."""
    return request.param


@pytest.fixture
def key() -> dict[str, str]:
    """Return a key of a service account that was made for this test."""
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "p-of-key",
        "private_key": pem.decode(),
        "private_key_id": "1",
        "client_email": EMAIL,
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def connect(monkeypatch: pytest.MonkeyPatch, conn_type: str = "google_cloud_platform", **extra: Any) -> None:
    """Set the connection ``mine``."""
    value = json.dumps({"conn_type": conn_type, "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_MINE", value)


class TestConnection:
    @pytest.mark.parametrize("is_own_type", [False, True])
    @pytest.mark.parametrize("prefix", ["", "extra__google_cloud_platform__"])
    def test_both_types_and_both_spellings_of_the_extra_work(
        self,
        cloud: LocalCloud,
        monkeypatch: pytest.MonkeyPatch,
        kind: type[GoogleCloudHook],
        is_own_type: bool,
        prefix: str,
    ) -> None:
        conn_type = kind.conn_type if is_own_type else "google_cloud_platform"
        extra = {f"{prefix}project": "mine-1", f"{prefix}endpoint": f"http://{cloud.grpc}"}
        connect(monkeypatch, conn_type, **extra)
        hook = kind("mine")
        assert hook.project_id == "mine-1"
        assert hook.test_connection() == (True, "Jobs of project mine-1 can be listed")

    def test_one_that_does_not_exist_is_named_in_one_line(self, kind: Any) -> None:
        with pytest.raises(InvalidArgument) as caught:
            kind("nowhere")
        assert str(caught.value).startswith("gcp_conn_id: there is no connection 'nowhere'. Create it")
        assert "\n" not in str(caught.value)

    def test_an_endpoint_that_refuses_is_named(self, monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
        connect(monkeypatch, project="p-1", endpoint="http://127.0.0.1:1")
        hook = kind("mine")
        for call in (
            lambda: hook.get_job(JOB),
            lambda: hook.delete_job(JOB),
        ):
            with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:1"):
                call()
        works, told = hook.test_connection()
        assert not works
        assert "http://127.0.0.1:1" in told

    def test_plain_text_without_a_project_asks_for_one_and_never_for_credentials(
        self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, kind: Any
    ) -> None:
        connect(monkeypatch, endpoint=f"http://{cloud.grpc}", key_path="/does/not/exist")
        hook = kind("mine")
        assert list(hook.list_jobs("somewhere-1", REGION)) == []
        with pytest.raises(InvalidArgument, match="project_id: neither the task nor connection 'mine'"):
            list(hook.list_jobs(None, REGION))

    @pytest.mark.parametrize(
        ("endpoint", "address"),
        [("https://batch.example", "batch.example:443"), ("https://b:8443", "b:8443")],
    )
    def test_an_https_endpoint_is_spoken_to_over_tls_with_credentials(
        self, monkeypatch: pytest.MonkeyPatch, key: dict[str, str], endpoint: str, address: str
    ) -> None:
        connect(monkeypatch, keyfile_dict=key, endpoint=endpoint)
        for client, _ in CLIENTS:
            made = GcpBatchHook("mine").clients.of(client)
            assert made.api_endpoint == address
            assert made.transport.host == address

    def test_the_public_address_is_used_where_none_is_given(
        self, monkeypatch: pytest.MonkeyPatch, key: dict[str, str]
    ) -> None:
        connect(monkeypatch, keyfile_dict=key)
        hook = GcpBatchHook("mine")
        for client, name in (*CLIENTS, (LoggingServiceV2Client, "logging")):
            assert hook.clients.of(client).transport.host == f"{name}.googleapis.com:443"

    def test_cloud_logging_may_be_reached_at_an_endpoint_of_its_own(
        self, monkeypatch: pytest.MonkeyPatch, key: dict[str, str]
    ) -> None:
        connect(monkeypatch, keyfile_dict=key, endpoint="https://b", logging_endpoint="https://l")
        hook = GcpBatchHook("mine")
        assert {hook.clients.of(client).transport.host for client, _ in CLIENTS} == {"b:443"}
        assert hook.clients.of(LoggingServiceV2Client).transport.host == "l:443"


class TestCredentials:
    def test_a_key_as_json(self, monkeypatch: pytest.MonkeyPatch, key: dict[str, str], kind: Any) -> None:
        connect(monkeypatch, keyfile_dict=json.dumps(key))
        hook = kind("mine")
        credentials = hook.get_credentials()
        assert isinstance(credentials, service_account.Credentials)
        assert credentials.service_account_email == EMAIL
        assert hook.project_id == "p-of-key"

    def test_a_key_file(
        self, monkeypatch: pytest.MonkeyPatch, key: dict[str, str], kind: Any, tmp_path: Path
    ) -> None:
        path = tmp_path / "key.json"
        path.write_text(json.dumps(key))
        connect(monkeypatch, key_path=str(path), project="other-1")
        hook = kind("mine")
        assert isinstance(hook.get_credentials(), service_account.Credentials)
        assert hook.project_id == "other-1"

    def test_default_credentials(
        self, monkeypatch: pytest.MonkeyPatch, key: dict[str, str], kind: Any, tmp_path: Path
    ) -> None:
        path = tmp_path / "key.json"
        path.write_text(json.dumps(key))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        connect(monkeypatch)
        assert kind("mine").project_id == "p-of-key"

    @pytest.mark.parametrize(
        ("chain", "target", "delegates"),
        [
            ("z@p.iam.gserviceaccount.com", "z@p.iam.gserviceaccount.com", []),
            (["a@p.com", "z@p.com"], "z@p.com", ["a@p.com"]),
        ],
    )
    def test_an_impersonation_chain(
        self,
        monkeypatch: pytest.MonkeyPatch,
        key: dict[str, str],
        chain: str | list[str],
        target: str,
        delegates: list[str],
    ) -> None:
        connect(monkeypatch, keyfile_dict=key)
        credentials = CloudRunHook("mine", impersonation_chain=chain).get_credentials()
        assert isinstance(credentials, impersonated_credentials.Credentials)
        assert credentials._target_principal == target
        assert list(credentials._delegates or []) == delegates

    @pytest.mark.parametrize("name", ["gcp_batch", "cloud_run"])
    def test_the_chain_of_a_backends_scope_reaches_the_hook(
        self, monkeypatch: pytest.MonkeyPatch, key: dict[str, str], name: str
    ) -> None:
        connect(monkeypatch, keyfile_dict=key)
        scope = {"region": REGION, "impersonation_chain": "a@p.com, z@p.com"}
        backend: Any = open_backend(BackendRef(backend=name, conn_id="mine", scope=scope))
        assert backend.hook.impersonation_chain == ["a@p.com", "z@p.com"]

    @pytest.mark.parametrize(
        "extra",
        [
            {"keyfile_dict": '{"private_key": "geheim'},
            {"keyfile_dict": {"type": "service_account", "private_key": "geheim"}},
            {"key_path": "/does/not/exist/geheim.json"},
            {
                "keyfile_dict": {
                    "type": "service_account",
                    "private_key": "geheim",
                    "client_email": "e",
                    "token_uri": "t",
                }
            },
        ],
    )
    def test_what_is_wrong_with_them_is_said_without_a_word_of_what_they_hold(
        self, monkeypatch: pytest.MonkeyPatch, kind: Any, extra: dict[str, Any]
    ) -> None:
        connect(monkeypatch, project="p-1", **extra)
        hook = kind("mine")
        with pytest.raises(AccessDenied) as caught:
            hook.get_job(JOB)
        assert "geheim" not in f"{caught.value} {hook!r} {hook}"
        assert caught.value.advice
