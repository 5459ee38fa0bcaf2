"""What a job was given, as the service says at its end."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.conftest import new_key, until_over


@pytest.mark.parametrize("array_size", [1, 2])
def test_a_job_says_at_its_end_what_each_index_was_given(
    quiet_cloud: LocalCloud, backend: AwsBatchBackend, array_size: int
) -> None:
    spec = JobSpec(image="busybox", script="true", cpu=2, memory="1Gi", array_size=array_size)
    told = until_over(backend, backend.submit(spec, new_key()))
    assert (told.vcpus, told.memory_mib) == (2.0, 1024.0)


def test_the_times_of_all_indexes_are_added(quiet_cloud: LocalCloud, backend: AwsBatchBackend) -> None:
    spec = JobSpec(image="busybox", script='sleep "0.$JOB_INDEX"', array_size=3)
    told = until_over(backend, backend.submit(spec, new_key()))
    assert told.started_at
    assert told.ended_at
    assert told.index_seconds is not None
    assert 0.3 <= told.index_seconds <= 3 * (told.ended_at - told.started_at).total_seconds()


def test_an_array_of_which_not_all_are_asked_for_does_not_know(
    quiet_cloud: LocalCloud, backend: AwsBatchBackend
) -> None:
    spec = JobSpec(image="busybox", script="true", array_size=101)
    assert until_over(backend, backend.submit(spec, new_key())).index_seconds is None
