"""Why a Job waits, as the real client hears it from the local cloud and a person is told it."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client

from airflow_provider_jobs.backends.kubernetes.backend import KubernetesBackend
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.kubernetes.test_backend import SPEC, new_key

NAMESPACE = "default"
VOLUME = {"volumes": [{"pvc": "data", "mount_path": "/data"}]}


def submitted(backend: KubernetesBackend, **values: Any) -> JobHandle:
    """Submit a Job that cannot run."""
    return backend.submit(
        JobSpec(**{"image": "busybox", "script": "true", "prelude": False, **values}), new_key()
    )


def told_with(backend: KubernetesBackend, handle: JobHandle, word: str) -> str:
    """Return the explanation once it holds a word."""
    while word not in (told := backend.explain(handle) or ""):
        pass
    return told


def core(backend: KubernetesBackend) -> client.CoreV1Api:
    """Return the vendor's own client of pods, claims and quotas."""
    return client.CoreV1Api(backend.hook.api_client)


def make_claim(backend: KubernetesBackend, storage_class: str | None) -> None:
    """Create the claim that the Jobs mount."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    body = {"metadata": {"name": "data"}, "spec": spec}
    core(backend).create_namespaced_persistent_volume_claim(NAMESPACE, body)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cpu": 1000}, ["Insufficient cpu", "less cpu and memory"]),
        ({"memory": "10Ti"}, ["Insufficient memory", "less cpu and memory"]),
        ({"gpu": 64}, ["Insufficient nvidia.com/gpu", "check gpu"]),
        ({"options": {"node_selector": {"disk": "gold"}}}, ["node affinity/selector", "node_selector"]),
        ({"options": VOLUME}, ['persistentvolumeclaim "data" not found', "Create the PersistentVolumeClaim"]),
    ],
)
def test_a_pod_that_no_node_takes_is_told_with_what_to_do(
    quiet_cloud: LocalCloud, backend: KubernetesBackend, values: dict[str, Any], words: list[str]
) -> None:
    told = told_with(
        backend, submitted(backend, **values), "No node takes the pod: 0/1 nodes are available: "
    )
    assert [word for word in words if word not in told] == []


def test_a_tainted_node_is_told(quiet_cloud: LocalCloud, backend: KubernetesBackend) -> None:
    (node,) = core(backend).list_node().items
    taint = {"key": "team", "value": "other", "effect": "NoSchedule"}
    core(backend).patch_node(node.metadata.name, {"spec": {"taints": [taint]}})
    assert "add it to tolerations" in told_with(backend, submitted(backend), "untolerated taint")


@pytest.mark.parametrize(
    ("storage_class", "reason", "words"),
    [
        (
            "",
            "FailedBinding of claim data: no persistent volumes available",
            "no storage class is set. Create a PersistentVolume that fits",
        ),
        (
            "fast.invalid",
            "ProvisioningFailed of claim data: storageclass.storage.k8s.io",
            '"fast.invalid" not found. Correct the claim\'s storage class',
        ),
    ],
)
def test_a_claim_that_stays_pending_is_told_with_its_own_reason(
    quiet_cloud: LocalCloud, backend: KubernetesBackend, storage_class: str, reason: str, words: str
) -> None:
    make_claim(backend, storage_class)
    told = told_with(backend, submitted(backend, options=VOLUME), "unbound immediate PersistentVolumeClaims")
    assert reason in told
    assert words in told
    claim = core(backend).read_namespaced_persistent_volume_claim("data", NAMESPACE)
    assert claim.status.phase == "Pending"


def test_a_pod_runs_once_its_claim_is_one_that_gets_a_volume(
    quiet_cloud: LocalCloud, backend: KubernetesBackend
) -> None:
    make_claim(backend, "")
    handle = submitted(backend, options=VOLUME)
    told_with(backend, handle, "FailedBinding")
    core(backend).delete_namespaced_persistent_volume_claim("data", NAMESPACE)
    make_claim(backend, None)
    while backend.explain(handle) is not None:
        pass


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (
            "missing.invalid/app:1",
            ["waits: ErrImagePull (image missing.invalid/app:1)", "image_pull_secrets"],
        ),
        ("registry.example/app:bad:tag", ["waits: InvalidImageName", "Check the image's name"]),
    ],
)
def test_an_image_that_cannot_be_had_is_told_with_what_to_do(
    quiet_cloud: LocalCloud, backend: KubernetesBackend, image: str, words: list[str]
) -> None:
    handle = submitted(backend, native=_image(image))
    told = told_with(backend, handle, words[0])
    assert [word for word in words if word not in told] == []


def _image(image: str) -> dict[str, Any]:
    """Return the last word on the request: an image whatever its name."""
    return {"spec": {"template": {"spec": {"containers": [{"image": image}]}}}}


def test_a_quota_that_is_used_up_is_told(quiet_cloud: LocalCloud, backend: KubernetesBackend) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "0"}}}
    core(backend).create_namespaced_resource_quota(NAMESPACE, quota)
    told = told_with(backend, backend.submit(SPEC, new_key()), "exceeded quota: few")
    assert told.startswith("The service cannot make its pods. A ResourceQuota of the namespace is used up: ")


def test_a_secret_that_is_missing_is_told(quiet_cloud: LocalCloud, backend: KubernetesBackend) -> None:
    handle = submitted(backend, secrets={"TOKEN": "absent/token"})
    assert "Create the Secret, ConfigMap or key" in told_with(backend, handle, "CreateContainerConfigError")
