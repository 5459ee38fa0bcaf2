"""Why an execution waits, as the real client hears it from the local cloud and a person is told it."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.backends.cloud_run.backend import CloudRunBackend
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.cloud_run.test_backend import SPEC, new_key


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("quota", ["higher quota", "of ResourcesAvailable: Quota exceeded"]),
        ("gpu", ["no GPU", "gpu_zonal_redundancy=False"]),
        (
            "image_missing",
            ["Check its name", "of ContainerReady: CONTAINER_MISSING: Image 'busybox:1' not found"],
        ),
        ("image_denied", ["roles/artifactregistry.reader", "CONTAINER_PERMISSION_DENIED"]),
        ("image_policy", ["Binary Authorization", "CONTAINER_IMAGE_UNAUTHORIZED"]),
        ("secret", ["roles/secretmanager.secretAccessor", "SECRETS_ACCESS_CHECK_FAILED"]),
        ("encryption_key", ["cryptoKeyEncrypterDecrypter", "ENCRYPTION_KEY_PERMISSION_DENIED"]),
        ("network", ["Check network and subnetwork", "VPC_NETWORK_NOT_FOUND"]),
        ("retry", ["tries again by itself", "POSTPONED_RETRY"]),
        ("delayed_start", ["waits for its start time", "of Started: DELAYED_START_PENDING"]),
    ],
)
def test_a_condition_that_is_not_met_is_told_with_what_to_do(
    quiet_cloud: LocalCloud, backend: CloudRunBackend, reason: str, words: list[str]
) -> None:
    quiet_cloud.admin.hold("scheduled", reason=reason)
    handle = backend.submit(SPEC, new_key())
    told = backend.explain(handle) or ""
    assert [word for word in words if word not in told] == []


def test_once_it_is_met_the_execution_runs_and_has_nothing_to_explain(
    quiet_cloud: LocalCloud, backend: CloudRunBackend
) -> None:
    quiet_cloud.admin.hold("scheduled", reason="quota")
    handle = backend.submit(SPEC, new_key())
    assert backend.explain(handle)
    quiet_cloud.admin.release()
    while next(backend.describe([handle])).state is not JobState.SUCCEEDED:
        pass
    assert backend.explain(handle) is None
