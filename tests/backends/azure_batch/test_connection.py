"""The connection in all its shapes: where an account is, and as whom it is called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.identity import ClientSecretCredential, DefaultAzureCredential

from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.emulator.process import LocalCloud

URL = "https://acme.westeurope.batch.azure.com"
KEY = "Z2VoZWltZ2VoZWlt"


def connect(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    """Set the connection ``mine``."""
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "azure_batch", **values}))


def credential(hook: AzureBatchHook) -> Any:
    """Return what the vendor's client authenticates with."""
    assert isinstance(hook.connection, BatchClient)
    return hook.connection._config.credential


class TestConnection:
    def test_it_works_or_says_why_not(self, hook: AzureBatchHook, monkeypatch: pytest.MonkeyPatch) -> None:
        works, told = hook.test_connection()
        assert works, told
        connect(monkeypatch, login="a", password=KEY, extra={"account_url": "http://127.0.0.1:1"})
        works, told = AzureBatchHook("mine").test_connection()
        assert not works
        assert "http://127.0.0.1:1" in told

    def test_a_wrong_key_is_denied_and_not_shown(
        self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect(monkeypatch, login="localbatch", password=KEY, extra={"account_url": cloud.http})
        works, told = AzureBatchHook("mine").test_connection()
        assert not works
        assert "Check the connection" in told
        assert KEY not in told

    def test_one_that_does_not_exist_is_named_in_one_line(self) -> None:
        with pytest.raises(InvalidArgument) as caught:
            AzureBatchHook("nowhere")
        assert str(caught.value).startswith(
            "azure_batch_conn_id: there is no connection 'nowhere'. Create it"
        )

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            (None, "the extra names no account. Write https://"),
            ("batch", "the extra holds no address"),
            ("ftp://a", "the extra holds no address"),
            ("https://u:p@a", "the extra holds no address"),
            ("https://a/path", "the extra holds no address"),
            ("https://a:b", "the extra holds no address"),
            ("http://acme.westeurope.batch.azure.com", "plain text to acme.westeurope.batch.azure.com"),
            ("http://10.0.0.1", "plain text to 10.0.0.1"),
        ],
    )
    def test_an_address_that_cannot_be_meant_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, url: str | None, message: str
    ) -> None:
        connect(monkeypatch, login="a", password=KEY, extra={"account_url": url} if url else {})
        with pytest.raises(InvalidArgument, match=message):
            AzureBatchHook("mine")

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", URL, f"{URL}/"]
    )
    def test_plain_text_is_for_this_machine_and_https_for_all(
        self, monkeypatch: pytest.MonkeyPatch, url: str
    ) -> None:
        connect(monkeypatch, login="a", password=KEY, extra={"account_url": url})
        assert AzureBatchHook("mine").account_url == url.rstrip("/")

    def test_the_old_spelling_of_the_extra_works(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, login="a", password=KEY, extra={"extra__azure_batch__account_url": URL})
        assert AzureBatchHook("mine").account_url == URL

    def test_two_connections_are_two_accounts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, login="other", password=KEY, extra={"account_url": URL})
        assert AzureBatchHook("mine").account_url != AzureBatchHook().account_url

    def test_a_link_leads_to_the_account_where_its_subscription_is_known(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        extra = {"account_url": URL, "subscription_id": "s-1", "resource_group": "my group"}
        connect(monkeypatch, login="acme", password=KEY, extra=extra)
        assert AzureBatchHook("mine").account.portal_url == (
            "https://portal.azure.com/#resource/subscriptions/s-1/resourceGroups/my%20group"
            "/providers/Microsoft.Batch/batchAccounts/acme/overview"
        )
        connect(monkeypatch, login="acme", password=KEY, extra={"account_url": URL})
        assert AzureBatchHook("mine").account.portal_url is None


class TestCredentials:
    def test_account_name_and_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, login="acme", password=KEY, extra={"account_url": URL})
        found = credential(AzureBatchHook("mine"))
        assert isinstance(found, AzureNamedKeyCredential)
        assert found.named_key.name == "acme"

    def test_a_key_that_is_none_is_refused_without_being_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, login="acme", password="geheim!", extra={"account_url": URL})
        with pytest.raises(InvalidArgument, match="password: it is no key of a Batch account") as caught:
            next(AzureBatchHook("mine").list_jobs())
        assert "geheim" not in str(caught.value)

    @pytest.mark.parametrize("name", ["tenant_id", "tenantId"])
    def test_a_client_and_its_secret(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        connect(monkeypatch, login="client", password="secret", extra={"account_url": URL, name: "tenant"})
        assert isinstance(credential(AzureBatchHook("mine")), ClientSecretCredential)

    @pytest.mark.parametrize(
        "extra",
        [
            {},
            {"managed_identity_client_id": "m"},
            {"managed_identity_client_id": "m", "workload_identity_tenant_id": "w"},
        ],
    )
    def test_what_the_machine_offers(self, monkeypatch: pytest.MonkeyPatch, extra: dict[str, str]) -> None:
        connect(monkeypatch, extra={"account_url": URL, **extra})
        assert isinstance(credential(AzureBatchHook("mine")), DefaultAzureCredential)

    def test_no_token_is_sent_over_plain_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, extra={"account_url": "http://127.0.0.1:1"})
        with pytest.raises(InvalidArgument, match="login: no token is sent over plain text"):
            next(AzureBatchHook("mine").list_jobs())

    @pytest.mark.parametrize(
        ("suffix", "scope"),
        [
            ("batch.azure.com", "https://batch.core.windows.net//.default"),
            ("batch.chinacloudapi.cn", "https://batch.chinacloudapi.cn/.default"),
            ("batch.usgovcloudapi.net", "https://batch.core.usgovcloudapi.net/.default"),
        ],
    )
    def test_each_cloud_has_tokens_of_its_own(
        self, monkeypatch: pytest.MonkeyPatch, suffix: str, scope: str
    ) -> None:
        connect(monkeypatch, extra={"account_url": f"https://acme.region.{suffix}"})
        assert AzureBatchHook("mine").connection._config.credential_scopes == [scope]

    def test_the_key_is_in_no_text_of_the_hook(self, hook: AzureBatchHook) -> None:
        assert "azure_batch_default" in repr(hook)
        assert "password" not in repr(hook)


def test_what_is_on_this_machine_is_behind_no_proxy(
    cloud: LocalCloud, hook: AzureBatchHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    works, told = AzureBatchHook().test_connection()
    assert works, told
