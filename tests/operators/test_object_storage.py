"""Files of a task in buckets: the file systems of Airflow's providers, on servers nobody here wrote."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import boto3
import httpx
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.models import ArrayCounts
from airflow_provider_jobs.operators import AwsBatchJobOperator, GcpBatchJobOperator
from airflow_provider_jobs.operators.collecting import collect
from airflow_provider_jobs.operators.staging import stage
from airflow_provider_jobs.triggers.results import kept
from tests.conftest import service_is_absent
from tests.moto_server import moto_server

OPTION = "AIRFLOW__AIRFLOW_PROVIDER_JOBS__"
TI = SimpleNamespace(dag_id="d", run_id="manual__2030-01-01T00:00:00+00:00", task_id="t", map_index=None)
BUCKETS = ("jobs", "other")


class Store(NamedTuple):
    """A storage, and the vendor's client of it.

    :param base: the address of the bucket ``other``
    :param mount: where a job sees ``[airflow_provider_jobs] storage_path``
    :param get: returns what an object holds, by bucket and key
    """

    base: str
    mount: str
    put: Callable[[str, str, bytes], None]
    get: Callable[[str, str], bytes]
    keys: Callable[[str], list[str]]
    task: Callable[..., Any]


@pytest.fixture(scope="module")
def s3_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto_server(tmp_path_factory.mktemp("moto")) as address:
        yield address


@pytest.fixture(scope="module")
def gs_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with gcs_server(tmp_path_factory.mktemp("gcs")) as address:
        yield address


@contextlib.contextmanager
def gcs_server(directory: Path) -> Iterator[str]:
    """Run an emulator of Cloud Storage, and yield its address."""
    program = Path(sys.executable).with_name("gcp-storage-emulator")
    if not program.exists():
        service_is_absent("the emulator of Cloud Storage is not installed: pip install gcp-storage-emulator")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program), "start", "--host=127.0.0.1", f"--port={port}", "--in-memory"]
    with (directory / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while not _serves(f"http://127.0.0.1:{port}"):
            assert server.poll() is None, (directory / "server.log").read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _serves(address: str) -> bool:
    try:
        httpx.get(address, trust_env=False)
    except httpx.TransportError:
        return False
    return True


@pytest.fixture(params=["s3", "gs"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A storage with two empty buckets that is the one of the deployment."""
    make = {"s3": s3_store, "gs": gs_store}[request.param]
    return make(request.getfixturevalue(f"{request.param}_address"), monkeypatch)


def s3_store(address: str, patch: pytest.MonkeyPatch) -> Store:
    connection = {"conn_type": "aws", "login": "the-key", "password": "the-secret"}
    patch.setenv(
        "AIRFLOW_CONN_STORE",
        json.dumps({**connection, "extra": {"region_name": "us-east-1", "endpoint_url": address}}),
    )
    patch.setenv(f"{OPTION}STORAGE_PATH", "s3://store@jobs/kept")
    patch.setenv(f"{OPTION}STORAGE_MOUNT", "/mnt/jobs")
    s3 = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="the-key",
        aws_secret_access_key="the-secret",
    )
    httpx.post(f"{address}/moto-api/reset", trust_env=False).raise_for_status()
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)
    return Store(
        base="s3://store@other",
        mount="/mnt/jobs",
        put=lambda bucket, key, body: s3.put_object(Bucket=bucket, Key=key, Body=body),
        get=lambda bucket, key: s3.get_object(Bucket=bucket, Key=key)["Body"].read(),
        keys=lambda bucket: [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])],
        task=lambda **more: AwsBatchJobOperator(
            task_id="t", image="busybox", script="true", job_queue="q", **more
        ),
    )


def gs_store(address: str, patch: pytest.MonkeyPatch) -> Store:
    patch.setenv("STORAGE_EMULATOR_HOST", address)
    extra = {"is_anonymous": True, "project": "p"}
    patch.setenv("AIRFLOW_CONN_STORE", json.dumps({"conn_type": "google_cloud_platform", "extra": extra}))
    patch.setenv(f"{OPTION}STORAGE_PATH", "gs://store@jobs/kept")
    gcs = storage.Client(project="p", credentials=AnonymousCredentials())
    for bucket in gcs.list_buckets():
        bucket.delete(force=True)
    for name in BUCKETS:
        gcs.create_bucket(name)
    return Store(
        base="gs://store@other",
        mount="/mnt/disks/airflow-jobs/kept",
        put=lambda bucket, key, body: gcs.bucket(bucket).blob(key).upload_from_string(body),
        get=lambda bucket, key: gcs.bucket(bucket).blob(key).download_as_bytes(),
        keys=lambda bucket: [blob.name for blob in gcs.list_blobs(bucket)],
        task=lambda **more: GcpBatchJobOperator(
            task_id="t", image="busybox", script="true", region="europe-west1", **more
        ),
    )


def test_files_come_from_one_bucket_and_a_worker_into_that_of_the_job(store: Store, tmp_path: Path) -> None:
    store.put("other", "labels.csv", b"a,b")
    (tmp_path / "model.yaml").write_text("x: 1")
    files = {"labels.csv": f"{store.base}/labels.csv", "conf/model.yaml": str(tmp_path / "model.yaml")}
    task = store.task(input_files=files)
    staged = stage(task, TI, task.resolve_targets(), generation=0)
    below = f"d/{TI.run_id}/t/-1/{staged.place}"
    assert staged.targets[0].spec.files.directory == f"{store.mount}/{below}"
    assert store.get("jobs", f"kept/{below}/in/labels.csv") == b"a,b"
    assert store.get("jobs", f"kept/{below}/in/conf/model.yaml") == b"x: 1"


def test_a_file_that_has_changed_in_its_bucket_is_another_job(store: Store) -> None:
    task = store.task(input_files={"labels.csv": f"{store.base}/labels.csv"})
    places = []
    for content in (b"one", b"one", b"two, and longer"):
        store.put("other", "labels.csv", content)
        places.append(stage(task, TI, task.resolve_targets(), generation=0).place)
    assert places[2] not in places[:2]


def test_an_input_too_large_for_the_service_is_one_object_for_each_index(store: Store) -> None:
    task = store.task(array_size=2, inputs=["x" * 900_000, "y" * 200_000])
    staged = stage(task, TI, task.resolve_targets(), generation=0)
    below = f"kept/d/{TI.run_id}/t/-1/{staged.place}/inputs"
    assert json.loads(store.get("jobs", f"{below}/0.json")) == "x" * 900_000
    assert json.loads(store.get("jobs", f"{below}/1.json")) == "y" * 200_000


def test_what_a_job_has_left_is_found_and_copied_where_it_is_wanted(store: Store) -> None:
    task = store.task(array_size=2, output_files={"*.csv": f"{store.base}/tables/", "log.txt": ""})
    staged = stage(task, TI, task.resolve_targets(), generation=0)
    out = f"kept/d/{TI.run_id}/t/-1/{staged.place}/out"
    for index in ("0", "1"):
        # A mounted bucket keeps a directory as an object.
        store.put("jobs", f"{out}/{index}/", b"")
        store.put("jobs", f"{out}/{index}/rows.csv", index.encode())
        store.put("jobs", f"{out}/{index}/log.txt", b"done")
    found = collect(task, TI, staged.place, ArrayCounts(size=2, succeeded=2))
    for index in ("0", "1"):
        assert found[index]["rows.csv"] == f"{store.base}/tables/{index}/rows.csv"
        assert found[index]["log.txt"].endswith(f"/out/{index}/log.txt")
        assert store.get("other", f"tables/{index}/rows.csv") == index.encode()
    assert store.keys("other") == ["tables/0/rows.csv", "tables/1/rows.csv"]


def test_a_result_too_large_for_xcom_is_an_object(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{OPTION}MAX_RESULT_BYTES", "100")
    written = kept({"rows": "x" * 200}, TI, "return_value.json")
    assert list(written) == ["object_storage_path"]
    assert json.loads(ObjectStoragePath(written["object_storage_path"]).read_text()) == {"rows": "x" * 200}
    assert store.keys("jobs") == [f"kept/d/{TI.run_id}/t/-1/return_value.json"]


def test_a_storage_whose_package_is_missing_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setenv(f"{OPTION}STORAGE_PATH", f"file://{tmp_path}")
    task = GcpBatchJobOperator(
        task_id="t",
        image="busybox",
        script="true",
        region="europe-west1",
        output_files={"a": "s3://nobody@bucket/a"},
    )
    with pytest.raises(InvalidArgument, match=r"output_files: s3:// cannot be opened.*amazon\[s3fs\]"):
        stage(task, TI, task.resolve_targets(), generation=0)
