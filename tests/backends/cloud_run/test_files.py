"""The bucket of a job's files reaches Cloud Run as a volume of the job, beside the user's own."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.backends.cloud_run import request
from airflow_provider_jobs.backends.cloud_run.backend import CloudRunBackend
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.files import JobFiles
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.spec import JobSpec

MOUNT = "/mnt/disks/airflow-jobs"
FILES = JobFiles(directory=f"{MOUNT}/jobs/d", bucket="my-bucket", brings=True)
KEY = JobKey(dag_id="files", run_id="r", task_id="t")
OWN = {"name": "data", "mount_path": "/data", "empty_dir": {}}


def test_the_service_keeps_the_volume_and_the_variables(backend: CloudRunBackend) -> None:
    spec = JobSpec(image="busybox", script="true", files=FILES, options={"volumes": [OWN]})
    execution = backend.hook.get_execution(backend.submit(spec, KEY).native_id)
    _, volume = execution.template.volumes
    assert (volume.gcs.bucket, list(volume.gcs.mount_options)) == ("my-bucket", ["implicit-dirs"])
    (container,) = execution.template.containers
    assert {mount.name: mount.mount_path for mount in container.volume_mounts} == {
        "data": "/data",
        "airflow-jobs": MOUNT,
    }
    assert request.variables_of(execution)["JOB_INPUT_DIR"] == f"{MOUNT}/jobs/d/in"


def test_runs_with_other_files_share_one_job() -> None:
    def job_of(directory: str) -> str:
        files = FILES.model_copy(update={"directory": f"{MOUNT}/{directory}"})
        job = request.build_job(JobSpec(image="busybox", script="true", files=files), KEY)
        return str(job.labels[request.SPEC_LABEL])

    assert job_of("one") == job_of("other")


def test_a_job_that_exists_takes_no_bucket() -> None:
    with pytest.raises(InvalidArgument, match=r"^job_name: .*storage_mount"):
        request.build_overrides(JobSpec(files=FILES), KEY)
