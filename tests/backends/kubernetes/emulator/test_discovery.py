"""What clients look at before they ask: versions, resources, documents, rights."""

from __future__ import annotations

import pytest
from kubernetes import client

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.kubernetes.emulator.conftest import Kube, pod

AGGREGATED = {
    "Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


def test_the_server_says_its_version(kube: Kube, api_client: client.ApiClient):
    version = client.VersionApi(api_client).get_code()
    assert (version.major, version.minor) == ("1", "36")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_it_is_well(kube: Kube, path: str):
    assert kube.call_text(path) == "ok"


def test_groups_and_resources_can_be_discovered_one_by_one(kube: Kube):
    groups = {group["name"] for group in kube.call("GET", "/apis")["groups"]}
    assert {"batch", "events.k8s.io", "authorization.k8s.io"} <= groups
    core = {each["name"]: each for each in kube.call("GET", "/api/v1")["resources"]}
    assert core["pods"]["shortNames"] == ["po"]
    assert "pods/log" in core
    [jobs, status] = kube.call("GET", "/apis/batch/v1")["resources"]
    assert (jobs["kind"], jobs["namespaced"], status["name"]) == ("Job", True, "jobs/status")
    assert "watch" in jobs["verbs"]


def test_or_all_at_once(kube: Kube):
    found = kube.call("GET", "/apis", headers=AGGREGATED)
    assert found["kind"] == "APIGroupDiscoveryList"
    [batch] = [group for group in found["items"] if group["metadata"]["name"] == "batch"]
    assert batch["versions"][0]["resources"][0]["resource"] == "jobs"


def test_the_documents_describe_every_field_that_is_served(kube: Kube):
    index = kube.call("GET", "/openapi/v3")["paths"]
    document = kube.call("GET", index["apis/batch/v1"]["serverRelativeURL"].partition("?")[0])
    spec = document["components"]["schemas"]["io.k8s.api.batch.v1.JobSpec"]
    assert spec["required"] == ["template"]
    assert "number of retries" in spec["properties"]["backoffLimit"]["description"]
    references = {
        part["$ref"].rpartition("/")[2]
        for schema in document["components"]["schemas"].values()
        for field in schema["properties"].values()
        for part in (*field.get("allOf", []), *field.get("items", {}).get("allOf", []))
    }
    assert references <= {*document["components"]["schemas"]}


def test_a_list_can_be_had_as_a_table(kube: Kube):
    kube.run_pod(pod())
    table = kube.call("GET", "/api/v1/namespaces/default/pods", headers=TABLE)
    assert table["kind"] == "Table"
    columns = [column["name"] for column in table["columnDefinitions"]]
    [row] = table["rows"]
    assert dict(zip(columns, row["cells"], strict=True)).items() >= {
        "Name": "pod", "Ready": "0/1", "Status": "Completed", "Restarts": "0", "Node": "k8s-node-1"
    }.items()  # fmt: skip
    assert row["object"]["kind"] == "PartialObjectMetadata"


def test_a_list_can_be_had_without_specs(kube: Kube):
    headers = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    listed = kube.call("GET", "/api/v1/namespaces", headers=headers)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert {*listed["items"][0]} == {"kind", "apiVersion", "metadata"}


def test_everything_is_allowed_that_no_rule_denies(cloud: LocalCloud, kube: Kube):
    cloud.admin.add_fault(method="kubernetes/watch pods", error={"code": 403})

    def allowed(verb: str) -> bool:
        attributes = {"namespace": "default", "verb": verb, "resource": "pods"}
        review = {"spec": {"resourceAttributes": attributes}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return kube.call("POST", path, review)["status"]["allowed"]

    assert allowed("list")
    assert not allowed("watch")


def test_an_empty_cluster_has_a_node_and_the_usual_namespaces(kube: Kube):
    spaces = [each["metadata"]["name"] for each in kube.call("GET", "/api/v1/namespaces")["items"]]
    assert spaces == ["default", "kube-node-lease", "kube-public", "kube-system"]
    [node] = kube.call("GET", "/api/v1/nodes")["items"]
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "k8s-node-1"
    assert kube.call("GET", "/api/v1/namespaces/default/serviceaccounts/default")["metadata"]["uid"]


def test_addresses_of_other_services_are_left_to_them(cloud: LocalCloud, kube: Kube):
    with pytest.raises(client.ApiException) as raised:
        kube.call("GET", "/apis/run.googleapis.com/v1/namespaces/p/jobs")
    assert raised.value.body == b"no service of the local cloud has this address\n"
