"""What a Job was given, as the service says at its end."""

from __future__ import annotations

from airflow_provider_jobs.backends.kubernetes.backend import KubernetesBackend
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.kubernetes.test_backend import new_key, until


def test_a_job_says_at_its_end_what_each_pod_was_given(
    quiet_cloud: LocalCloud, backend: KubernetesBackend
) -> None:
    spec = JobSpec(image="busybox", script="true", prelude=False, cpu=0.5, memory="1Gi")
    told = until(backend, backend.submit(spec, new_key()), JobState.SUCCEEDED)
    assert (told.vcpus, told.memory_mib) == (0.5, 1024.0)
    plain = backend.submit(JobSpec(image="busybox", script="true", prelude=False), new_key())
    told = until(backend, plain, JobState.SUCCEEDED)
    assert (told.vcpus, told.memory_mib) == (None, None)
