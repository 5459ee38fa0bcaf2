"""One local cloud for all tests of the dialect, emptied before each, and the official client."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client

from airflow_provider_jobs.emulator.process import LocalCloud

PATIENCE_SECONDS = 30.0

Json = dict[str, Any]


@pytest.fixture(scope="session")
def server() -> Iterator[LocalCloud]:
    secrets = {"vault/password": "from the file"}
    with LocalCloud("--dialect", "kubernetes", "--kill-grace-seconds", "0.3", secrets=secrets) as cloud:
        yield cloud


@pytest.fixture
def cloud(server: LocalCloud) -> LocalCloud:
    server.admin.reset()
    return server


@pytest.fixture(scope="session")
def api_client(server: LocalCloud) -> Iterator[client.ApiClient]:
    configuration = client.Configuration()
    configuration.host = server.http
    configuration.retries = False
    with client.ApiClient(configuration) as made:
        yield made


class Kube:
    """The official client with answers as the JSON that was on the wire."""

    def __init__(self, made: client.ApiClient) -> None:
        self.batch = client.BatchV1Api(made)
        self.core = client.CoreV1Api(made)
        self._made = made

    def call(self, verb: str, path: str, body: Any = None, **query: Any) -> Json:
        """One request as the client sends it, with any path. Raises ApiException."""
        headers = {
            "Accept": "application/json",
            "Content-Type": query.pop("content_type", "application/json"),
        }
        headers |= query.pop("headers", {})
        url = self._made.configuration.host + path
        answer = self._made.request(
            verb, url, query_params=list(query.items()), headers=headers, body=body, _preload_content=False
        )
        return json.loads(answer.data or b"null")

    def call_text(self, path: str, **query: Any) -> str:
        """A GET whose answer is no JSON."""
        url = self._made.configuration.host + path
        return self._made.request("GET", url, query_params=list(query.items()), headers={}).data.decode()

    def error(self, verb: str, path: str, body: Any = None, **query: Any) -> Json:
        """The Status of a request that is refused."""
        with pytest.raises(client.ApiException) as raised:
            self.call(verb, path, body, **query)
        status: Json = json.loads(raised.value.body)
        assert status["code"] == raised.value.status
        return status

    def create(self, job: Json, namespace: str = "default", **query: Any) -> Json:
        return self.call("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", job, **query)

    def create_pod(self, pod: Json, **query: Any) -> Json:
        return self.call("POST", "/api/v1/namespaces/default/pods", pod, **query)

    def job(self, name: str = "work") -> Json:
        return self.call("GET", f"/apis/batch/v1/namespaces/default/jobs/{name}")

    def pod(self, name: str) -> Json:
        return self.call("GET", f"/api/v1/namespaces/default/pods/{name}")

    def pods(self, selector: str = "") -> list[Json]:
        """Pods in the order of their names."""
        return self.call("GET", "/api/v1/namespaces/default/pods", labelSelector=selector)["items"]

    def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of the events of an object."""
        found = self.call(
            "GET", "/api/v1/namespaces/default/events", fieldSelector=f"involvedObject.name={name}"
        )
        return [(event["reason"], event["message"]) for event in found["items"]]

    def until_job(self, met: Callable[[Json], Any], name: str = "work") -> Json:
        return until(lambda: self.job(name), met)

    def until_pod(self, met: Callable[[Json], Any], name: str = "pod") -> Json:
        return until(lambda: self.pod(name), met)

    def end(self, name: str = "work") -> Json:
        """The job once it is finished."""
        return self.until_job(lambda job: holds(job, "Complete") or holds(job, "Failed"), name)

    def run(self, job: Json) -> Json:
        """Create a job and return it once it is finished."""
        return self.end(self.create(job)["metadata"]["name"])

    def run_pod(self, pod: Json) -> Json:
        name = self.create_pod(pod)["metadata"]["name"]
        return self.until_pod(lambda found: found["status"]["phase"] in ("Succeeded", "Failed"), name)

    def log(self, name: str, **options: Any) -> str:
        answer = self.core.read_namespaced_pod_log(name, "default", _preload_content=False, **options)
        return answer.data.decode()


@pytest.fixture
def kube(cloud: LocalCloud, api_client: client.ApiClient) -> Kube:
    return Kube(api_client)


def until(read: Callable[[], Any], met: Callable[[Any], Any]) -> Any:
    """Read until a condition is met; fails when it never is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = read()
        if met(found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"not met in {PATIENCE_SECONDS} s; last: {json.dumps(found, indent=1)}")


def conditions(found: Json) -> dict[str, Json]:
    return {each["type"]: each for each in found.get("status", {}).get("conditions", [])}


def holds(found: Json, type_: str) -> bool:
    return conditions(found).get(type_, {}).get("status") == "True"


def container(script: str = "true", name: str = "main", **more: Any) -> Json:
    return {"name": name, "image": "busybox:1.36", "command": ["sh", "-c", script], **more}


def pod(script: str = "true", *, name: str = "pod", **spec: Any) -> Json:
    """A pod of one container, or of those given."""
    containers = spec.pop("containers", None) or [container(script)]
    return {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": containers, **spec}}


def job(script: str = "true", *, name: str = "work", template: Json | None = None, **spec: Any) -> Json:
    """A job whose failed pods are not replaced, unless told otherwise."""
    made = {**pod(script)["spec"], **(template or {})}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": made}, **spec},
    }


def indexed(script: str = "true", *, completions: int = 3, **spec: Any) -> Json:
    """An Indexed job whose pods run side by side."""
    numbers = {"completions": completions, "parallelism": completions, "completionMode": "Indexed"}
    return job(script, **{**numbers, **spec})


JOBS = "/apis/batch/v1/namespaces/default/jobs"
PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"


def refuse(kube: Kube, wanted: Json, **query: Any) -> Json:
    """The Status with which a job is refused."""
    return kube.error("POST", JOBS, wanted, **query)


def causes(status: Json) -> list[tuple[str, str]]:
    """Field and message of what is wrong with an object."""
    assert (status["code"], status["reason"]) == (422, "Invalid")
    return [(cause["field"], cause["message"]) for cause in status["details"]["causes"]]
