"""Why a job waits, in words that a person can act on."""

from __future__ import annotations

import pytest
from google.cloud.batch_v1 import Job, JobStatus, StatusEvent

from airflow_provider_jobs.backends.gcp_batch.explain import explain

CHANGE = "Job state is set from QUEUED to SCHEDULED for job projects/1/locations/r/jobs/j."


def waiting(*sentences: str, state: str = "QUEUED") -> Job:
    """Return a job with status events of these sentences."""
    events = [StatusEvent(description=sentence) for sentence in sentences]
    return Job(status=JobStatus(state=JobStatus.State[state], status_events=events))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "VM creation failed: Quota NVIDIA_T4_GPUS exceeded. Limit: 1 in region us-central1",
            ["Quota NVIDIA_T4_GPUS (1 in region us-central1) is used up"],
        ),
        (
            "Error: code - CODE_GCE_ZONE_RESOURCE_POOL_EXHAUSTED, description - none left",
            ["allowed_locations", "machine_type"],
        ),
        (
            "No VM has agent reporting correctly within time window 1080 seconds",
            ["roles/batch.agentReporter"],
        ),
        ("Constraint constraints/compute.vmExternalIpAccess violated", ["no_external_ip=True"]),
        (
            "Constraint constraints/compute.trustedImageProjects violated",
            ["policy compute.trustedImageProjects"],
        ),
        ("Batch Error: code - CODE_GCE_NEW, description - x", ["cannot be made (CODE_GCE_NEW)", "Correct"]),
        ("CODE_GCE_INVALID_FIELD_VALUE - No zone supports all of the templates", ["Check machine_type"]),
        ("caller does not have access to act as the specified account", ["roles/iam.serviceAccountUser"]),
    ],
)
@pytest.mark.parametrize("state", ["QUEUED", "SCHEDULED"])
def test_what_the_service_says_is_told_with_what_to_do(state: str, said: str, words: list[str]) -> None:
    told = explain(waiting(said, CHANGE, state=state))
    assert told is not None
    assert all(word in told for word in words)
    assert said in told


def test_the_wait_for_a_quota_is_told_in_numbers_and_is_over_once_the_job_is_scheduled() -> None:
    said = "delayed due to inadequate quotas [Quota: CPUS, limit: 24, usage: 20, wanted: 8.]."
    told = explain(waiting(said))
    assert told is not None
    assert "Quota CPUS is short: 20 of 24 are in use and the job wants 8" in told
    assert told.endswith(f"ask for a higher quota. The service says: {said}")
    assert explain(waiting(said, CHANGE, state="SCHEDULED")) is None


def test_the_latest_reason_counts() -> None:
    told = explain(waiting("Quota CPUS exceeded. Limit: 1 in zone z", "constraints/compute.x violated"))
    assert told is not None
    assert "compute.x" in told


def test_a_service_that_says_nothing_is_not_guessed_at() -> None:
    assert explain(waiting(CHANGE)) is None


@pytest.mark.parametrize("state", ["RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "DELETION_IN_PROGRESS"])
def test_a_job_that_does_not_wait_is_not_explained(state: str) -> None:
    assert explain(waiting("Quota CPUS exceeded. Limit: 1 in zone z", state=state)) is None
