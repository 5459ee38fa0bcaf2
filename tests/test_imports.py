"""What is imported when: DAG files are parsed all the time, so no vendor package may load with the operators.

Every look happens in a fresh interpreter; this one has imported too much.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_provider_jobs.core.registry import backends

VENDORS = ("azure", "boto3", "botocore", "google", "grpc", "kubernetes", "kubernetes_asyncio")

IMPORT_AND_REPORT = """
import importlib, json, pkgutil, sys
name = sys.argv[1]
at_start = set(sys.modules)
package = importlib.import_module(name)
imported = [name]
if sys.argv[2] == "all":
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)
        imported.append(module.name)
print(json.dumps({"imported": imported, "loaded": sorted(set(sys.modules) - at_start)}))
"""


def modules_loaded_by(name: str, *, below: bool) -> tuple[list[str], list[str]]:
    """Import a module, and all below it if asked to; what was imported, and all that was loaded for it."""
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT_AND_REPORT, name, "all" if below else "one"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout.splitlines()[-1])
    return report["imported"], report["loaded"]


@pytest.mark.parametrize("package", ["operators", "triggers", "hooks"])
def test_no_module_of_the_airflow_skin_loads_a_vendor_package(package: str) -> None:
    imported, loaded = modules_loaded_by(f"airflow_provider_jobs.{package}", below=True)
    assert len(imported) > 1
    assert [name for name in loaded if name.partition(".")[0] in VENDORS] == []


@pytest.mark.parametrize("module", ["operator", "options"])
@pytest.mark.parametrize("backend", [entry.name for entry in backends()])
def test_what_a_dag_file_needs_of_a_backend_loads_no_vendor_package(backend: str, module: str) -> None:
    _, loaded = modules_loaded_by(f"airflow_provider_jobs.backends.{backend}.{module}", below=False)
    assert [name for name in loaded if name.partition(".")[0] in VENDORS] == []


MOST_MODULES = 30


@pytest.mark.parametrize("backend", [entry.name for entry in backends()])
def test_a_dag_file_loads_few_modules_of_ours_and_nothing_that_only_a_run_needs(backend: str) -> None:
    script = (
        "import json, sys, airflow.sdk; at_start = set(sys.modules)\n"
        f"import airflow_provider_jobs.backends.{backend}.operator\n"
        "print(json.dumps(sorted(set(sys.modules) - at_start)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    loaded = json.loads(answer.stdout.splitlines()[-1])
    assert len(loaded) <= MOST_MODULES
    for room in ("engine", "triggers", "emulator", "operators.run", "core.models"):
        assert [name for name in loaded if name.startswith(f"airflow_provider_jobs.{room}")] == []


@pytest.mark.parametrize("package", ["core", "engine"])
def test_no_module_of_the_inner_rooms_loads_airflow_or_a_vendor_package(package: str) -> None:
    imported, loaded = modules_loaded_by(f"airflow_provider_jobs.{package}", below=True)
    assert len(imported) > 1
    assert [name for name in loaded if name.partition(".")[0] in ("airflow", *VENDORS)] == []


@pytest.mark.parametrize("module", ["airflow_provider_jobs", "airflow_provider_jobs.get_provider_info"])
def test_what_provider_discovery_imports_loads_nothing_but_this_package(module: str) -> None:
    _, loaded = modules_loaded_by(module, below=False)
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert foreign == {"airflow_provider_jobs"}


def test_a_process_that_serves_no_page_loads_none() -> None:
    _, loaded = modules_loaded_by("airflow_provider_jobs.plugin.registration", below=False)
    assert "airflow_provider_jobs.plugin" in loaded
    assert not {f"airflow_provider_jobs.plugin.{name}" for name in ("app", "views")} & set(loaded)
    assert [name for name in loaded if name.startswith("airflow_provider_jobs.engine")] == []


def test_the_exceptions_load_no_vendor_package() -> None:
    _, loaded = modules_loaded_by("airflow_provider_jobs.exceptions", below=False)
    assert [name for name in loaded if name.partition(".")[0] in VENDORS] == []
