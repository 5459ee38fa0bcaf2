"""Files of tasks and nodes, seen through the vendor's client."""

from __future__ import annotations

import httpx
import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.emulator.conftest import (
    add_job,
    add_pool,
    refused,
    run,
    shell,
    task,
    text_of,
    until_task,
)


def names(files: object) -> list[str]:
    return [file.name for file in files]  # type: ignore[attr-defined]


def test_both_streams_are_files_byte_for_byte(batch: BatchClient):
    add_job(batch)
    run(batch, shell(r"""printf "a\r\nb\000\377 no end"; printf "only errors" >&2"""))
    assert text_of(batch) == b"a\r\nb\0\xff no end"
    assert text_of(batch, "stderr.txt") == b"only errors"


def test_a_stream_without_a_word_is_an_empty_file(batch: BatchClient):
    add_job(batch)
    run(batch, "true")
    assert text_of(batch) == text_of(batch, "stderr.txt") == b""
    assert batch.get_task_file_properties("job", "t", "stdout.txt").content_length == 0


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ("bytes=0-", b"0123456789"),
        ("bytes=3-5", b"345"),
        ("bytes=8-100", b"89"),
        ("bytes=9-9", b"9"),
        ("bytes=-4", b"6789"),
    ],
)
def test_a_range_of_a_file_is_a_plain_success(batch: BatchClient, bounds: str, expected: bytes):
    add_job(batch)
    run(batch, "printf 0123456789")
    assert text_of(batch, ocp_range=bounds) == expected


@pytest.mark.parametrize("bounds", ["bytes=10-", "bytes=10-20", "bytes=5-3"])
def test_a_range_that_does_not_meet_the_file_is_refused(batch: BatchClient, bounds: str):
    add_job(batch)
    run(batch, "printf 0123456789")
    with pytest.raises(HttpResponseError) as error:
        text_of(batch, ocp_range=bounds)
    assert refused(error) == (416, "InvalidRange")


def test_a_file_grows_while_the_task_runs(batch: BatchClient):
    add_job(batch)
    text = "echo one; until test -e $AZ_BATCH_NODE_SHARED_DIR/go; do sleep 0.02; done; echo two"
    add_pool(batch, "one")
    add_job(batch, "grow", pool="one")
    batch.create_task("grow", task("t", shell(text)))
    while batch.get_task("grow", "t").state != "running":
        continue
    while not (size := batch.get_task_file_properties("grow", "t", "stdout.txt").content_length):
        continue
    batch.create_task("grow", task("go", shell("touch $AZ_BATCH_NODE_SHARED_DIR/go")))
    batch.terminate_task("grow", "t")
    until_task(batch, "t", "grow")
    assert b"".join(batch.download_task_file("grow", "t", "stdout.txt"))[:size] == b"one\n"


def test_bytes_are_as_late_as_lines_are_told_to_be_and_none_is_lost(batch: BatchClient, cloud: LocalCloud):
    cloud.admin.set_log_delay(1.5)
    add_job(batch)
    run(batch, shell("echo one; echo two"))
    early = text_of(batch)
    cloud.admin.set_log_delay(0)
    while (late := text_of(batch)) != b"one\ntwo\n":
        assert b"one\ntwo\n".startswith(late)
    assert early == b""


def test_the_properties_of_a_file_are_headers(batch: BatchClient, wire: httpx.Client):
    add_job(batch)
    run(batch, "printf hello")
    found = batch.get_task_file_properties("job", "t", "stdout.txt")
    assert found.content_length == 5
    assert found.last_modified >= found.creation_time
    answer = wire.head("/jobs/job/tasks/t/files/stdout.txt")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["ocp-batch-file-isdirectory"] == "False"
    assert answer.headers["ocp-batch-file-url"].startswith("http%3A%2F%2F127.0.0.1")


def test_files_are_listed_flat_or_with_what_lies_below(batch: BatchClient, wire: httpx.Client):
    add_job(batch)
    run(batch, shell("mkdir sub; printf 12345 > sub/data.bin"))
    assert names(batch.list_task_files("job", "t")) == ["stderr.txt", "stdout.txt", "wd"]
    every = ["stderr.txt", "stdout.txt", "wd", "wd/sub", "wd/sub/data.bin"]
    assert names(batch.list_task_files("job", "t", recursive=True)) == every
    page = wire.get("/jobs/job/tasks/t/files", params={"recursive": "true"}).json()["value"]
    directory, data = page[-2], page[-1]
    assert directory["isDirectory"] is True
    assert "properties" not in directory
    assert data["properties"]["contentLength"] == "5"
    assert data["url"].endswith("/jobs/job/tasks/t/files/wd/sub/data.bin")


def test_a_path_is_one_encoded_part_or_several(batch: BatchClient, wire: httpx.Client):
    add_job(batch)
    run(batch, shell("mkdir sub; printf 12345 > sub/data.bin"))
    assert text_of(batch, "wd/sub/data.bin") == b"12345"
    assert wire.get("/jobs/job/tasks/t/files/wd/sub/data.bin").content == b"12345"
    assert wire.get("/jobs/job/tasks/t/files/wd%2Fsub%2Fdata.bin").content == b"12345"


@pytest.mark.parametrize("path", ["../../../../../../etc/passwd", "wd/../../../x", "wd"])
def test_what_is_no_file_of_the_task_is_not_found(batch: BatchClient, path: str):
    add_job(batch)
    run(batch, "true")
    with pytest.raises(HttpResponseError) as error:
        text_of(batch, path)
    assert refused(error) == (404, "FileNotFound")


def test_a_file_can_be_deleted(batch: BatchClient):
    add_job(batch)
    run(batch, shell("mkdir -p sub; touch sub/a"))
    batch.delete_task_file("job", "t", "stdout.txt")
    assert names(batch.list_task_files("job", "t")) == ["stderr.txt", "wd"]
    with pytest.raises(HttpResponseError):
        batch.delete_task_file("job", "t", "wd/sub")
    batch.delete_task_file("job", "t", "wd/sub", recursive=True)
    assert names(batch.list_task_files("job", "t", recursive=True)) == ["stderr.txt", "wd"]


def test_a_task_that_waits_has_no_files_yet(batch: BatchClient):
    add_job(batch, pool="missing")
    batch.create_task("job", task("t"))
    for read in (lambda: text_of(batch), lambda: list(batch.list_task_files("job", "t"))):
        with pytest.raises(HttpResponseError) as error:
            read()
        assert refused(error) == (409, "OperationInvalidForCurrentState")
    assert "as the task state is still active" in error.value.response.text()


def test_a_task_whose_sleep_is_simulated_has_empty_files(batch: BatchClient):
    add_job(batch)
    run(batch, "sleep 0")
    assert names(batch.list_task_files("job", "t")) == ["stderr.txt", "stdout.txt", "wd"]
    assert text_of(batch) == b""


def test_files_go_with_their_node_and_with_their_task(batch: BatchClient):
    add_pool(batch, "small")
    add_job(batch, pool="small")
    done = run(batch, "printf hello")
    node = done.node_info.node_id
    path = f"{done.node_info.task_root_directory}/stdout.txt"
    assert b"".join(batch.download_node_file("small", node, path)) == b"hello"
    batch.delete_task("job", "t")
    while path in names(batch.list_node_files("small", node, recursive=True)):
        continue
    run(batch, "true")
    batch.begin_remove_nodes(
        "small", models.BatchNodeRemoveOptions(node_ids=[node]), polling_interval=0
    ).result()
    with pytest.raises(HttpResponseError) as error:
        text_of(batch)
    assert refused(error) == (409, "TaskFilesUnavailable")


def test_a_node_has_the_directories_of_a_node(batch: BatchClient):
    (node, *_) = batch.list_nodes("default")
    expected = ["applications", "fsmounts", "shared", "startup", "volatile", "workitems"]
    assert names(batch.list_node_files("default", node.id)) == expected
    with pytest.raises(HttpResponseError) as error:
        b"".join(batch.download_node_file("default", node.id, "../../../../etc/passwd"))
    assert refused(error) == (404, "FileNotFound")
