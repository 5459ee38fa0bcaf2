"""The doctor says what is set up, what works and what does not, and shows no secret."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider_jobs.doctor import Finding, _show
from airflow_provider_jobs.emulator.process import LocalCloud

SECRET = "a-secret-that-must-not-be-seen"


def doctor(*arguments: str, connections: Mapping[str, Any], home: Any) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "COLUMNS": "400",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in connections.items()},
    }
    command = [sys.executable, "-m", "airflow_provider_jobs", "doctor", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=110, check=False)


def test_a_service_that_answers_works(tmp_path: Any) -> None:
    with LocalCloud() as cloud:
        done = doctor(connections=cloud.connections, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "works" in done.stdout
    assert "can be listed" in done.stdout


def test_a_service_that_refuses_fails_with_the_endpoint_and_without_the_secret(tmp_path: Any) -> None:
    extra = {
        "project": "p",
        "endpoint": "http://127.0.0.1:1",
        "keyfile_dict": json.dumps({"private_key": SECRET}),
    }
    connection = {"conn_type": "google_cloud_platform", "extra": extra}
    done = doctor(connections={"google_cloud_default": connection}, home=tmp_path)
    assert done.returncode == 1
    assert "http://127.0.0.1:1" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_a_connection_that_was_asked_for_must_exist(tmp_path: Any) -> None:
    done = doctor("--backend", "gcp_batch", "--conn-id", "nowhere", connections={}, home=tmp_path)
    assert done.returncode == 1
    assert "there is no connection 'nowhere'" in done.stdout


def test_an_unknown_backend_is_refused_with_the_known_ones(tmp_path: Any) -> None:
    done = doctor("--backend", "slurm", connections={}, home=tmp_path)
    assert done.returncode == 2
    assert "gcp_batch" in done.stderr


def test_what_is_not_installed_is_named_with_the_extra_that_brings_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _show([Finding("GCP Batch", None, "pip install 'airflow-provider-jobs[gcp]'")])
    assert "pip install 'airflow-provider-jobs[gcp]'" in capsys.readouterr().out
