"""What is wrong in a DAG is said when it is parsed, with the argument's name and what to write instead."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from airflow_provider_jobs.backends.azure_batch.operator import AzureBatchTaskOperator
from airflow_provider_jobs.backends.azure_batch.options import AzureBatchOptions
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.operators import ContainerJobOperator

AUTO_POOL = {"vmSize": "standard_d2s_v3", "imageReference": {"offer": "o"}, "nodeAgentSKUId": "a"}
SAS = "https://a.blob.core.windows.net/c?sig=geheim"


def operator(**arguments: Any) -> AzureBatchTaskOperator:
    """Return an operator with these arguments over ones that are right."""
    right = {"task_id": "t", "pool_id": "p", "image": "busybox:1", "command": ["true"]}
    return AzureBatchTaskOperator(**{**right, **arguments})


# Arguments and what the message must say.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"image": "busy box"}, r"^image: 'busy box' is not an image name"),
    ({"image": None, "command": None}, r"^image: nothing says what to run.*native=\{\"task\""),
    ({"secrets": {"TOKEN": "geheim"}}, r"^secrets: tasks of Azure Batch take no references.*Key Vault"),
    ({"env": {"AZ_BATCH_TASK_ID": "x"}}, r"^env: AZ_BATCH_TASK_ID is set by the service"),
    ({"env": {"AIRFLOW_JOB_KEY": "x"}}, r"^env: AIRFLOW_JOB_KEY is set by"),
    ({"labels": {"airflow-dag-id": "x"}}, r"^labels: airflow-dag-id is set by this provider"),
    ({"labels": {"": "x"}}, r"^labels: a label has no name"),
    ({"array_size": 100_001}, r"^array_size: 100001 is refused"),
    ({"gpu": {"type": "t4", "count": 1}}, r"^gpu: the size of a pool's machines decides"),
    ({"spot": True}, r"^spot: the nodes of a pool that exists are what they are\. .*auto_pool"),
    ({"image": None, "cpu": 1}, r"^cpu: without an image nothing keeps a task to it.*required_slots"),
    ({"image": None, "memory": "1Gi"}, r"^memory: without an image"),
    ({"image": None, "gpu": 1}, r"^gpu: without an image"),
    ({"image": None, "container_run_options": "--rm"}, r"^container_run_options: the task has no container"),
    ({"native": {"tasks": {}}}, r"^native: 'tasks' is no part of it\. Write \{\"job\""),
    ({"native": {"task": [1]}}, r"^native: task is of type list"),
    ({"pool_id": None}, r"^pool_id: .*nor auto_pool, nor the job_id"),
    ({"pool_id": "my pool"}, r"^pool_id: 'my pool' is no id\. Write at most 64 letters"),
    ({"job_id": "j" * 65}, r"^job_id: .* is no id"),
    ({"auto_pool": AUTO_POOL}, r"^pool_id: pool_id and auto_pool are both given"),
    ({"pool_id": None, "job_id": "j", "auto_pool": AUTO_POOL}, r"^auto_pool: .*run for ever"),
    ({"pool_id": None, "auto_pool": {"vmSize": "x"}}, r"^auto_pool\.imageReference: it is not given"),
    ({"pool_id": None, "auto_pool": {**AUTO_POOL, "size": 1}}, r"^auto_pool: 'size' is no field of it"),
    ({"pool_id": None, "auto_pool": {**AUTO_POOL, "nodes": 0}}, r"^auto_pool\.nodes: 0 is refused"),
    ({"job_id": "j", "priority": 1}, r"^priority: priority belongs to a job.*Leave job_id out"),
    ({"job_id": "j", "job_preparation_task": "x"}, r"^job_preparation_task: .*belongs to a job"),
    ({"job_id": "j", "parallelism": 2}, r"^parallelism: it belongs to a job.*Leave job_id out"),
    ({"job_id": "j", "labels": {"a": "b"}}, r"^labels: it belongs to a job"),
    ({"depends_on": ["a"]}, r"^depends_on: .*Give job_id"),
    ({"job_release_task": "x"}, r"^job_release_task: .*needs a job_preparation_task"),
    (
        {"required_slots": 2, "multi_instance_settings": {"coordinationCommandLine": "x"}},
        r"^required_slots: .*is 1",
    ),
    ({"required_slots": 257}, r"^required_slots: 257 is refused"),
    ({"priority": 1001}, r"^priority: 1001 is refused"),
    ({"max_task_retry_count": -2}, r"^max_task_retry_count: -2 is refused"),
    ({"retention_seconds": 0}, r"^retention_seconds: 0 is refused"),
    ({"container_working_directory": "/"}, r"^container_working_directory: '/' is refused"),
    (
        {"container_registry": {"pass": "geheim"}},
        r"^container_registry: 'pass' is no field of it\. Known are",
    ),
    ({"container_registry": {"password": ["geheim"]}}, r"^container_registry\.password: .*of type list"),
    ({"resource_files": [SAS]}, r"^resource_files\.0: it is of type str\. Write a dict of autoStorage"),
    ({"resource_files": [{"httpURL": SAS}]}, r"^resource_files\.0: 'httpURL' is no field of it"),
    ({"resource_files": [{"httpUrl": SAS}]}, r"^resource_files\.0: httpUrl is given and filePath is not"),
    (
        {"resource_files": [{"httpUrl": SAS, "storageContainerUrl": SAS}]},
        r"^resource_files\.0: a resource file has one source",
    ),
    ({"upload_files": [{"filePattern": "*"}]}, r"^upload_files\.0\.destination: it is not given"),
    ({"user_identity": {}}, r"^user_identity: a user identity has one of"),
    (
        {"exit_conditions": {"default": {"jobAction": "explode"}}},
        r"^exit_conditions\.default\.jobAction: 'explode' is refused",
    ),
    (
        {"job_preparation_task": {"commandLine": "x", "constraints": {"retentionTime": "1h"}}},
        r"^job_preparation_task\.constraints\.retentionTime: '1h' is no duration",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_is_wrong_fails_at_parse_with_the_arguments_name(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message) as caught:
        operator(**arguments)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"pool_id": "{{ var.value.pool }}"},
        {"job_id": "{{ ds_nodash }}"},
        {"labels": {"airflow-dag-id": "{{ params.Team }}"}},
        {"secrets": {"TOKEN": "{{ var.value.secret }}"}},
        {"array_size": "{{ params.size }}"},
        {"resource_files": [{"httpUrl": "{{ params.url }}"}]},
        {"pool_id": None, "auto_pool": {"vmSize": "{{ params.size }}"}},
        {"spot": True, "pool_id": "{{ params.pool }}"},
    ],
)
def test_a_template_is_checked_only_when_it_is_rendered(arguments: dict[str, Any]) -> None:
    operator(**arguments)


def test_one_template_does_not_hide_what_is_wrong_beside_it() -> None:
    with pytest.raises(InvalidArgument, match=r"^priority: 1001 is refused"):
        operator(pool_id="{{ params.pool }}", priority=1001)


def test_a_dict_among_the_output_files_is_the_services_own() -> None:
    own = {
        "filePattern": "*",
        "destination": {"container": {"containerUrl": "https://a.example/c"}},
        "uploadOptions": {"uploadCondition": "taskCompletion"},
    }
    made = operator(output_files=[own])
    assert (made.upload_files, made.output_files) == ([own], [])


def test_all_that_can_be_rendered_is_a_template_field() -> None:
    fields = {"image", "env", "azure_batch_conn_id", "pool_id", "job_id"}
    assert fields | set(AzureBatchTaskOperator.option_fields) <= set(AzureBatchTaskOperator.template_fields)


def test_the_options_are_the_arguments_of_the_operator_and_described_there() -> None:
    assert set(AzureBatchTaskOperator.option_fields) == set(AzureBatchOptions.model_fields)
    documented = AzureBatchTaskOperator.__doc__ or ""
    arguments = [*AzureBatchTaskOperator.option_fields, "azure_batch_conn_id"]
    assert [name for name in arguments if f":param {name}:" not in documented] == []


def test_the_reference_names_the_shared_job_and_nothing_else() -> None:
    assert operator().resolve_targets()[0].ref.scope == {}
    assert operator(job_id="shared").resolve_targets()[0].ref.scope == {"job_id": "shared"}


def test_options_are_the_same_after_a_round_through_the_spec() -> None:
    arguments: dict[str, Any] = {
        "resource_files": [{"httpUrl": "http://h/a", "file_path": "a"}],
        "application_packages": ["a", {"applicationId": "b", "version": "1"}],
        "user_identity": "bob",
        "exit_conditions": {"exitCodeRanges": [{"start": 1, "end": 5, "exitOptions": {"jobAction": "none"}}]},
        "max_task_retry_count": 0,
    }
    written = operator(**arguments).resolve_targets()[0].spec.options
    once = build_model(AzureBatchOptions, written)
    assert once == build_model(AzureBatchOptions, {"pool_id": "p", **arguments})
    assert build_model(AzureBatchOptions, once.model_dump(mode="json", exclude_defaults=True)) == once


def test_the_portable_operator_takes_the_same_arguments_under_the_services_name() -> None:
    made = ContainerJobOperator(
        task_id="t",
        backend="azure_batch",
        image="busybox",
        command=["true"],
        cpu=1,
        memory="1Gi",
        targets={"azure_batch": {"pool_id": "p", "job_id": "j"}},
    )
    (target,) = made.resolve_targets()
    assert target.spec.options == {"pool_id": "p", "job_id": "j"}
    assert target.ref.scope == {"job_id": "j"}
    with pytest.raises(InvalidArgument, match=r"spot: .*nodes of a pool that exists"):
        ContainerJobOperator(
            task_id="t",
            backend="azure_batch",
            image="busybox",
            command=["true"],
            spot=True,
            targets={"azure_batch": {"pool_id": "p"}},
        )


def test_parsing_a_dag_imports_no_azure_client() -> None:
    program = """
import sys
at_start = set(sys.modules)
from airflow_provider_jobs.operators import AzureBatchTaskOperator
AzureBatchTaskOperator(task_id="t", pool_id="p", image="busybox", application_packages=["a"])
print([name for name in set(sys.modules) - at_start if name.split(".")[0] in ("azure", "requests", "msrest")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
