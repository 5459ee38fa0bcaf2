"""Files that come to a task and go from it, over loopback."""

from __future__ import annotations

import pytest
from azure.batch import BatchClient, models

from tests.backends.azure_batch.emulator.conftest import Files, add_job, run, shell, text_of


def resource(url: str, path: str, **more: str) -> models.ResourceFile:
    return models.ResourceFile(http_url=url, file_path=path, **more)


def output(
    pattern: str, url: str, when: str = "taskcompletion", path: str | None = None
) -> models.OutputFile:
    container = models.OutputFileBlobContainerDestination(container_url=url, path=path)
    return models.OutputFile(
        file_pattern=pattern,
        destination=models.OutputFileDestination(container=container),
        upload_options=models.OutputFileUploadConfiguration(upload_condition=when),
    )


def test_resource_files_lie_in_the_working_directory_before_the_command_runs(
    batch: BatchClient, files: Files
):
    files.content = {"/in/a.txt?sig=x": b"one\n", "/in/run.sh": b"#!/bin/sh\necho two\n"}
    add_job(batch)
    wanted = [
        resource(f"{files.url}/in/a.txt?sig=x", "inputs/a.txt"),
        resource(f"{files.url}/in/run.sh", "run.sh", file_mode="0755"),
    ]
    done = run(batch, shell("cat inputs/a.txt; ./run.sh"), resource_files=wanted)
    assert done.execution_info.result == "success"
    assert text_of(batch) == b"one\ntwo\n"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("{files}/missing", "BlobNotFound"),
        ("https://account.blob.core.windows.net/c/b?sig=s3cret", "BlobDownloadMiscError"),
        ("http://127.0.0.1:1/b", "BlobDownloadMiscError"),
    ],
)
def test_a_file_that_cannot_be_had_fails_the_task_before_its_command(
    batch: BatchClient, files: Files, url: str, code: str
):
    add_job(batch)
    wanted = [resource(url.format(files=files.url), "a")]
    done = run(
        batch,
        shell("echo ran"),
        resource_files=wanted,
        constraints=models.BatchTaskConstraints(max_task_retry_count=3),
    )
    info = done.execution_info
    assert (info.failure_info.code, info.exit_code, info.retry_count) == (code, None, 0)
    assert "s3cret" not in str(info.failure_info.as_dict())


def test_a_path_cannot_leave_the_working_directory(batch: BatchClient, files: Files):
    files.content = {"/a": b"x"}
    add_job(batch)
    done = run(batch, "true", resource_files=[resource(f"{files.url}/a", "../../../../x")])
    assert done.execution_info.failure_info.code == "BlobDownloadMiscError"


def test_output_files_go_to_their_containers(batch: BatchClient, files: Files):
    add_job(batch)
    outputs = [
        output("../stdout.txt", f"{files.url}/logs?sig=x", path="runs/t.log"),
        output("out/**/*.csv", f"{files.url}/data", path="tables"),
        output("$AZ_BATCH_TASK_DIR/std*.txt", f"{files.url}/all"),
        output("never.txt", f"{files.url}/failed", when="taskfailure"),
    ]
    text = "mkdir -p out/deep; echo 1 > out/a.csv; echo 2 > out/deep/b.csv; echo 3 > out/c.txt; echo done"
    done = run(batch, shell(text), output_files=outputs)
    assert done.execution_info.result == "success"
    assert files.content == {
        "/logs/runs/t.log?sig=x": b"done\n",
        "/data/tables/a.csv": b"1\n",
        "/data/tables/deep/b.csv": b"2\n",
        "/all/stdout.txt": b"done\n",
        "/all/stderr.txt": b"",
    }
    assert files.put_headers["/data/tables/a.csv"]["x-ms-blob-type"] == "BlockBlob"


def test_a_failed_task_uploads_what_is_meant_for_failures(batch: BatchClient, files: Files):
    add_job(batch)
    outputs = [
        output("../stderr.txt", f"{files.url}/failed", when="taskfailure"),
        output("../stdout.txt", f"{files.url}/good", when="tasksuccess"),
    ]
    run(batch, shell("echo oh >&2; exit 1"), output_files=outputs)
    assert files.content == {"/failed/stderr.txt": b"oh\n"}


@pytest.mark.parametrize(("pattern", "container"), [("../stdout.txt", "closed"), ("absent.txt", "open")])
def test_an_upload_that_fails_fails_the_task(batch: BatchClient, files: Files, pattern: str, container: str):
    add_job(batch)
    conditions = models.ExitConditions(file_upload_error=models.ExitOptions(dependency_action="satisfy"))
    done = run(
        batch, "true", output_files=[output(pattern, f"{files.url}/{container}")], exit_conditions=conditions
    )
    info = done.execution_info
    assert (info.exit_code, info.result, info.failure_info.code) == (0, "failure", "FileUploadMiscError")


def test_outputs_for_elsewhere_are_recorded_and_stay(batch: BatchClient):
    add_job(batch)
    elsewhere = output("../stdout.txt", "https://account.blob.core.windows.net/c?sig=x")
    done = run(batch, "true", output_files=[elsewhere])
    assert done.execution_info.result == "success"
    assert done.output_files[0].destination.container.container_url.startswith("https://account")
