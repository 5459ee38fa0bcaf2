"""The bucket of a job's files reaches GCP Batch as a volume of every task, beside the user's own."""

from __future__ import annotations

import uuid
from typing import Any

from google.cloud import batch_v1

from airflow_provider_jobs.backends.gcp_batch import request
from airflow_provider_jobs.backends.gcp_batch.backend import GcpBatchBackend
from airflow_provider_jobs.core.files import JobFiles
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.spec import JobSpec

MOUNT = "/mnt/disks/airflow-jobs"
FILES = JobFiles(directory=f"{MOUNT}/jobs/d", bucket="my-bucket", brings=True)


def task_of(**values: Any) -> batch_v1.TaskSpec:
    spec = JobSpec(**{"image": "busybox", "script": "true", "files": FILES, **values})
    job = request.build_job(spec, JobKey(dag_id="d", run_id="r", task_id="t"))
    task: batch_v1.TaskSpec = job.task_groups[0].task_spec
    return task


def test_the_service_keeps_the_volume_and_the_variables(backend: GcpBatchBackend) -> None:
    key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
    handle = backend.submit(JobSpec(image="busybox", script="true", files=FILES), key)
    task = backend.hook.get_job(handle.native_id).task_groups[0].task_spec
    (volume,) = task.volumes
    assert (volume.gcs.remote_path, volume.mount_path) == ("my-bucket", MOUNT)
    assert list(volume.mount_options) == ["--implicit-dirs"]
    assert task.environment.variables["JOB_INPUT_DIR"] == f"{MOUNT}/jobs/d/in"


def test_it_stands_beside_the_volumes_of_native() -> None:
    native = {"taskGroups": [{"taskSpec": {"volumes": [{"nfs": {"server": "s"}, "mountPath": "/mnt/nfs"}]}}]}
    assert [volume.mount_path for volume in task_of(native=native).volumes] == ["/mnt/nfs", MOUNT]


def test_a_container_sees_it_by_itself_unless_its_volumes_are_named() -> None:
    assert list(task_of().runnables[0].container.volumes) == []
    named = task_of(options={"container_volumes": ["/mnt/nfs:/data:ro"]}).runnables[0].container
    assert list(named.volumes) == ["/mnt/nfs:/data:ro", f"{MOUNT}:{MOUNT}"]


def test_a_storage_that_is_mounted_already_makes_no_volume() -> None:
    assert list(task_of(files=JobFiles(directory="/mnt/shared/d", brings=True)).volumes) == []
