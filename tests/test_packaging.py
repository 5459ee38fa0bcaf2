"""The promises of the installation: pinned versions, extras, discovery by Airflow, make without surprises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY

PACKAGE = "airflow-provider-jobs"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
EXTRAS = ("gcp", "aws", "azure", "kubernetes", "redis", "emulator", "all", "dev")


def constraints() -> list[Requirement]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pinned_on(python: str) -> dict[str, str]:
    environment = {**default_environment(), "python_version": python, "python_full_version": f"{python}.20"}
    return {
        canonicalize_name(constraint.name): str(constraint.specifier)
        for constraint in constraints()
        if constraint.marker is None or constraint.marker.evaluate(environment)
    }


def test_constraints_pin_one_version_each_and_name_no_address() -> None:
    for constraint in constraints():
        assert re.fullmatch(r"==[^*]+", str(constraint.specifier)), constraint
        assert constraint.url is None
    assert "://" not in (REPOSITORY / "constraints.txt").read_text()


@pytest.mark.parametrize("python", PYTHONS)
def test_no_version_is_pinned_twice_on_one_python(python: str) -> None:
    environment = {**default_environment(), "python_version": python, "python_full_version": f"{python}.20"}
    names = [
        canonicalize_name(constraint.name)
        for constraint in constraints()
        if constraint.marker is None or constraint.marker.evaluate(environment)
    ]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("python", PYTHONS)
def test_everything_that_an_extra_asks_for_is_pinned(python: str) -> None:
    pinned = pinned_on(python)
    asked = [Requirement(line) for line in requires(PACKAGE) or ()]
    missing = {requirement.name for requirement in asked} - set(pinned) - {PACKAGE}
    assert not missing


def test_the_extras_are_the_ones_that_are_documented() -> None:
    assert sorted(metadata(PACKAGE).get_all("Provides-Extra") or ()) == sorted(EXTRAS)


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AIRFLOW_HOME with an empty settings file, so that looking writes nothing elsewhere."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "airflow.cfg").write_text("[core]\nload_examples = False\n")
    return home


def airflow(home: Path, *arguments: str) -> list[dict[str, str]]:
    answer = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments, "--output", "json"],
        env={**os.environ, "AIRFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return list(json.loads(answer.stdout.splitlines()[-1]))


def test_airflow_lists_the_provider(airflow_home: Path) -> None:
    found = airflow(airflow_home, "providers", "list")
    assert PACKAGE in [provider["package_name"] for provider in found]


def test_airflow_lists_the_hook_of_gcp_batch(airflow_home: Path) -> None:
    found = {hook["connection_type"]: hook for hook in airflow(airflow_home, "providers", "hooks")}
    assert found["gcp_batch"]["class"].endswith("GcpBatchHook")
    assert found["gcp_batch"]["package_name"] == PACKAGE


def make(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, directory)
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=directory,
        # The make that runs the tests is not this one's parent.
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_make_alone_says_what_can_be_made(tmp_path: Path) -> None:
    answer = make(tmp_path)
    assert answer.returncode == 0
    for target in ("demo", "test", "lint"):
        assert f"make {target}" in answer.stdout


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("exit 1", "is not Python 3.10 to 3.13"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "cannot make a virtual environment"),
    ],
    ids=["too old", "without ensurepip"],
)
def test_a_python_that_cannot_be_used_is_one_clear_line(tmp_path: Path, python: str, said: str) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\n{python}\n")
    stand_in.chmod(0o755)
    answer = make(tmp_path, "demo", f"PYTHON={stand_in}")
    assert answer.returncode != 0
    lines = [line for line in answer.stderr.splitlines() if not line.startswith("make:")]
    assert len(lines) == 1
    assert said in lines[0]
    assert not (tmp_path / ".venv").exists()
