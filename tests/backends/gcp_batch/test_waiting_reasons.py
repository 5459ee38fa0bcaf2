"""Why a job waits, as the real client hears it from the local cloud and a person is told it."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.backends.gcp_batch.backend import GcpBatchBackend
from airflow_provider_jobs.core.explanations import is_same_reason
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud, LocalCloudFailed
from tests.backends.gcp_batch.test_backend import SPEC, new_key


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("quota", ["Quota CPUS is short: 24 of 24 are in use and the job wants 4", "higher quota"]),
        ("quota_exceeded", ["Quota N2_CPUS (24.0 in region europe-west1) is used up", "machine_type"]),
        ("zone_exhausted", ["no such machines", "allowed_locations", "europe-west1-b"]),
        ("no_agent", ["roles/batch.agentReporter"]),
        ("external_ip", ["no_external_ip=True"]),
        ("service_account", ["roles/iam.serviceAccountUser"]),
    ],
)
def test_what_the_service_says_of_a_queued_job_is_told_with_what_to_do(
    quiet_cloud: LocalCloud, backend: GcpBatchBackend, reason: str, words: list[str]
) -> None:
    quiet_cloud.admin.hold("scheduled", reason=reason)
    handle = backend.submit(SPEC, new_key())
    told = backend.explain(handle) or ""
    assert told.startswith("The job is queued. ")
    assert [word for word in words if word not in told] == []
    events = backend.hook.get_job(handle.native_id).status.status_events
    assert [event.type_ for event in events] == ["OPERATIONAL_INFO"]


def test_a_job_whose_machines_do_not_come_is_told_so_and_no_longer_of_the_quota_before(
    quiet_cloud: LocalCloud, backend: GcpBatchBackend
) -> None:
    rule = quiet_cloud.admin.hold("scheduled", reason="quota")
    quiet_cloud.admin.hold("assigned", job="*", delay_seconds=600)
    handle = backend.submit(SPEC, new_key())
    queued = backend.explain(handle)
    quiet_cloud.admin.release(rule)
    while next(backend.describe([handle])).native_state != "SCHEDULED":
        pass
    assert backend.explain(handle) is None
    quiet_cloud.admin.release()
    while next(backend.describe([handle])).state is not JobState.SUCCEEDED:
        pass
    quiet_cloud.admin.hold("assigned", reason="zone_exhausted")
    other = backend.submit(SPEC, new_key())
    while (scheduled := backend.explain(other)) is None:
        pass
    assert scheduled.startswith("The job is scheduled, and its machines are not running yet. ")
    assert not is_same_reason(queued, scheduled)


def test_a_reason_that_the_service_does_not_have_is_refused_with_those_that_it_has(
    quiet_cloud: LocalCloud,
) -> None:
    with pytest.raises(LocalCloudFailed, match=r"422 .*no_such.*stage 'assigned'.*zone_exhausted"):
        quiet_cloud.admin.hold("assigned", reason="no_such")
