from __future__ import annotations

import httpx
import pytest
from azure.batch import BatchClient, models
from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.emulator.conftest import VERSION, add_job, ids, refused, task

JOBS = f"/jobs?api-version={VERSION}"


def client(cloud: LocalCloud, *, name: str | None = None, key: str | None = None) -> BatchClient:
    connection = cloud.connections["azure_batch_default"]
    credential = AzureNamedKeyCredential(name or connection["login"], key or connection["password"])
    return BatchClient(connection["extra"]["account_url"], credential, retry_total=0)


def test_the_connection_is_of_the_official_type_and_has_an_account_and_its_key(cloud: LocalCloud):
    connection = cloud.connections["azure_batch_default"]
    assert connection["conn_type"] == "azure_batch"
    assert connection["extra"] == {"account_url": cloud.http}
    assert connection["login"]
    assert len(connection["password"]) == 88


def test_a_wrong_key_is_refused_with_what_was_signed_and_without_the_key(cloud: LocalCloud):
    with pytest.raises(HttpResponseError) as error:
        list(client(cloud, key="d3Jvbmc=").list_jobs())
    assert refused(error) == (403, "AuthenticationFailed")
    text = error.value.response.text()
    assert "Server used following string to sign: 'GET" in text
    assert cloud.connections["azure_batch_default"]["password"] not in text


def test_another_account_is_refused(cloud: LocalCloud):
    with pytest.raises(HttpResponseError) as error:
        list(client(cloud, name="somebodyelse").list_jobs())
    assert refused(error) == (403, "AuthenticationFailed")


def test_no_credential_and_a_strange_one_are_a_401_that_names_the_way_in(cloud: LocalCloud):
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "SharedKey nothing"}):
        answer = httpx.get(cloud.http + JOBS, headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (401, "InvalidAuthenticationInfo")
        assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_any_token_is_good(wire: httpx.Client):
    assert wire.get("/jobs").status_code == 200


def test_a_signature_older_than_fifteen_minutes_is_refused(cloud: LocalCloud):
    with pytest.raises(HttpResponseError) as error:
        list(client(cloud).list_jobs(headers={"ocp-date": "Fri, 17 Feb 2017 00:00:00 GMT"}))
    assert refused(error) == (403, "AuthenticationFailed")


def test_a_changed_request_does_not_fit_its_signature(cloud: LocalCloud):
    seen: dict[str, str] = {}
    signed = client(cloud)
    list(signed.list_jobs(raw_request_hook=lambda request: seen.update(request.http_request.headers)))
    headers = {name: seen[name] for name in ("Authorization", "ocp-date", "Accept")}
    good = httpx.get(cloud.http + JOBS, headers=headers, trust_env=False)
    assert good.status_code == 200
    assert httpx.get(f"{cloud.http}{JOBS}&maxresults=1", headers=headers, trust_env=False).status_code == 403
    assert httpx.delete(
        f"{cloud.http}/jobs/a?api-version={VERSION}", headers=headers, trust_env=False
    ).is_error


def test_every_kind_of_request_of_the_vendors_client_is_signed_right(batch: BatchClient):
    """Verbs with and without bodies, conditional headers, filters, a query with a time limit."""
    add_job(batch)
    batch.create_task("job", task("t"))
    batch.update_job("job", models.BatchJobUpdateOptions(priority=5), service_timeout=30)
    job = batch.get_job("job", service_timeout=30, select=["id", "eTag"])
    assert batch.get_job("job", etag=job.etag, match_condition=MatchConditions.IfNotModified).id == "job"
    found = batch.list_tasks("job", filter="startswith(id, 't') and state ne 'x'", max_results=1)
    assert ids(found) == ["t"]
    batch.delete_task("job", "t")


def test_a_request_that_is_not_for_batch_is_left_to_others(cloud: LocalCloud):
    answer = httpx.get(f"{cloud.http}/jobs", trust_env=False)
    assert (answer.status_code, answer.text) == (404, "no service of the local cloud has this address\n")


def test_the_version_must_be_named_and_be_one(wire: httpx.Client, cloud: LocalCloud):
    headers = {"Authorization": "Bearer any", "ocp-date": "x"}
    missing = httpx.get(f"{cloud.http}/jobs", headers=headers, trust_env=False)
    assert (missing.status_code, missing.json()["code"]) == (400, "MissingRequiredQueryParameter")
    strange = httpx.get(f"{cloud.http}/jobs?api-version=latest", headers=headers, trust_env=False)
    assert (strange.status_code, strange.json()["code"]) == (400, "InvalidQueryParameterValue")


@pytest.mark.parametrize("version", ["2022-01-01.15.0", "2023-05-01.17.0", "2024-07-01.20.0", VERSION])
def test_older_clients_are_served_too(cloud: LocalCloud, version: str):
    headers = {"Authorization": "Bearer any"}
    assert (
        httpx.get(f"{cloud.http}/pools?api-version={version}", headers=headers, trust_env=False).status_code
        == 200
    )
