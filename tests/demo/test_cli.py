"""The command line: quick to list its parts, and one clear line where something is missing."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_jobs import cli

AIRFLOW_JOBS = str(Path(sys.executable).with_name("airflow-jobs"))

LIST_HEAVY_MODULES = """
import sys
at_start = set(sys.modules)
from airflow_provider_jobs import cli
try:
    cli.main(["--help"])
finally:
    heavy = ("airflow", "fastapi", "uvicorn", "grpc", "google", "httpx", "pydantic")
    print("heavy:", sorted(set(heavy) & (set(sys.modules) - at_start)))
"""


def run(*arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AIRFLOW_JOBS, *arguments], capture_output=True, text=True, timeout=60, cwd=directory, check=False
    )


def test_help_lists_every_part() -> None:
    answer = run("--help")
    assert answer.returncode == 0
    for part in cli.PARTS:
        assert part.name in answer.stdout


def test_help_imports_no_part() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", LIST_HEAVY_MODULES], capture_output=True, text=True, timeout=60, check=False
    )
    assert "heavy: []" in answer.stdout


@pytest.mark.parametrize("part", [part.name for part in cli.PARTS])
def test_every_part_explains_itself(part: str) -> None:
    answer = run(part, "--help")
    assert answer.returncode == 0
    assert f"airflow-jobs {part}" in answer.stdout


def test_a_missing_package_is_one_line_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lonely = cli.Part("emulator", "needs more", "a_package_that_nobody_has.cli:app", "emulator")
    monkeypatch.setattr(cli, "PARTS", (lonely,))
    with pytest.raises(SystemExit) as ended:
        cli.main(["emulator"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "airflow-jobs emulator needs the package a_package_that_nobody_has: "
        "pip install 'airflow-provider-jobs[emulator]'\n"
    )


def test_an_unknown_example_is_named_with_those_there_are(tmp_path: Path) -> None:
    answer = run("demo", "no_such_example", directory=tmp_path)
    assert answer.returncode == 1
    assert "no example is called no_such_example" in answer.stdout
    assert "gcp_batch_word_count" in answer.stdout


def test_a_folder_without_promises_is_refused(tmp_path: Path) -> None:
    answer = run("demo", "--dags", str(tmp_path), directory=tmp_path)
    assert answer.returncode == 1
    assert "promises.json" in answer.stdout


def test_two_demos_do_not_share_a_directory(tmp_path: Path) -> None:
    (tmp_path / ".demo").mkdir()
    with (tmp_path / ".demo" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = run("demo", directory=tmp_path)
    assert answer.returncode == 1
    assert "another demo uses .demo" in answer.stdout
