"""How files are named, and what a shell makes of a job's directory inside the job."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.files import (
    MAX_INPUT_BYTES,
    JobFiles,
    check_input_files,
    check_output_files,
    matches,
)
from airflow_provider_jobs.core.prelude import input_variables, wrap, wrap_files
from airflow_provider_jobs.core.spec import JobSpec


@pytest.mark.parametrize(
    ("pattern", "name", "is_one"),
    [
        ("model.bin", "model.bin", True),
        ("*.csv", "a.csv", True),
        ("*.csv", "a/b.csv", False),
        ("a/*.csv", "a/b.csv", True),
        ("**/*.csv", "b.csv", True),
        ("**/*.csv", "a/a/b.csv", True),
        ("a/**", "a/b/c", True),
        ("part-[0-9]?", "part-42", True),
        ("Model.bin", "model.bin", False),
    ],
)
def test_a_star_crosses_no_slash(pattern: str, name: str, is_one: bool) -> None:
    assert matches(pattern, name) is is_one


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a/../b", "a//b", "./a", "a/", "a\nb", 7])
def test_a_name_that_leads_out_of_the_directory_is_refused(name: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^input_files: .* is no relative path"):
        check_input_files({name: "/tmp/x"})
    with pytest.raises(InvalidArgument, match=r"^output_files: .* is no relative path"):
        check_output_files([name])


@pytest.mark.parametrize(
    "address",
    ["s3://key:geheim@bucket/a", "ftp://:geheim@host/a", "https://account.example/c/a?sig=geheim"],
)
def test_an_address_with_a_password_in_it_is_refused_and_not_shown(address: str) -> None:
    for check in (lambda: check_input_files({"a": address}), lambda: check_output_files({"a": address})):
        with pytest.raises(InvalidArgument, match="holds a password or a token") as caught:
            check()
        assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("address", ["s3://my_conn@bucket/a:b", "/tmp/what?.txt", "gs://bucket/a@b"])
def test_an_address_that_names_a_connection_is_taken(address: str) -> None:
    assert check_input_files({"a": address}) == {"a": address}


@pytest.mark.parametrize(
    ("value", "is_array", "message"),
    [
        ("*.csv", False, "it is no list of names"),
        ({"*.csv": "s3://bucket/one"}, False, r"'\*\.csv' may be several files"),
        ({"model": "s3://bucket/one"}, True, "'model' may be several files"),
        ({"model": 7}, False, "the destination of 'model' is of type int"),
    ],
)
def test_output_files_that_cannot_be_meant_are_refused(value: Any, is_array: bool, message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^output_files: {message}"):
        check_output_files(value, is_array=is_array)


@pytest.mark.parametrize("name", ["JOB_INPUT_DIR", "JOB_OUTPUT_DIR", "JOB_INPUT_FILE", "JOB_OUTPUTS_DIR"])
def test_the_variables_of_the_directories_are_not_the_users(name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{name} is set for every job"):
        build_model(JobSpec, {"env": {name: "/tmp"}})


def spec_with(directory: Path, *, script: str, array_size: int = 1, **files: Any) -> JobSpec:
    made = JobFiles(directory=str(directory), **files)
    return JobSpec(script=script, array_size=array_size, files=made)


def inside(spec: JobSpec, *, task: int = 0) -> str:
    """Run a spec as task number ``task`` and return what it prints."""
    argv = wrap(spec, index_variable="TASK")
    assert argv
    env = {"TASK": str(task), "PATH": "/usr/bin:/bin", **input_variables(spec)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def test_a_part_of_an_array_writes_below_its_original_index(tmp_path: Path) -> None:
    spec = spec_with(tmp_path, script='cd "$JOB_OUTPUT_DIR" && pwd', array_size=8, collects=True)
    spec = spec.model_copy(update={"indexes": (3, 7)})
    assert inside(spec, task=1) == f"{tmp_path}/out/7"


@pytest.mark.parametrize("kept", ["ordinary", "$HOME `id` 'q' \\n %s", "x" * (MAX_INPUT_BYTES - 100)])
def test_a_shell_reads_an_input_file_as_it_is(tmp_path: Path, kept: str) -> None:
    (tmp_path / "input.json").write_text(f"{kept}\n")
    assert inside(spec_with(tmp_path, script='printf %s "$JOB_INPUT"', input="one")) == kept


def test_a_missing_input_file_ends_the_job_before_its_command(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        inside(spec_with(tmp_path, script="echo runs", input="one"))
    assert (caught.value.returncode, caught.value.stdout) == (1, "")


def test_no_line_stands_in_front_of_a_command_that_needs_none(tmp_path: Path) -> None:
    assert wrap_files(JobSpec(script="true")) is None
    assert wrap_files(spec_with(tmp_path, script="true", brings=True)) is None
    assert wrap_files(spec_with(tmp_path, script="true", collects=True)) is not None


def test_the_variables_of_one_index_are_those_that_a_shell_makes(tmp_path: Path) -> None:
    files = JobFiles(directory="/mnt/jobs", brings=True, collects=True, input="each", input_fits=False)
    assert files.variables_of(3, is_array=True) == {
        "JOB_INPUT_DIR": "/mnt/jobs/in",
        "JOB_OUTPUT_DIR": "/mnt/jobs/out/3",
        "JOB_INPUT_FILE": "/mnt/jobs/inputs/3.json",
    }


def test_a_spec_without_files_has_the_fingerprint_that_it_always_had() -> None:
    assert "files" not in JobSpec(image="busybox").to_json()
