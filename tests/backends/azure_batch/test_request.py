"""Every argument of the operator arrives at the service as its own field of the job or of its tasks.

What is compared is what the vendor's client sent: a recorder stands between it and the local cloud.
"""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pendulum
import pytest

from airflow_provider_jobs.backends.azure_batch.backend import AzureBatchBackend
from airflow_provider_jobs.backends.azure_batch.operator import AzureBatchTaskOperator
from airflow_provider_jobs.backends.azure_batch.request import Submission, build_submission
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.identity import JobKey, job_labels
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from airflow_provider_jobs.operators.arguments import SPEC_FIELDS
from tests.wire import Recorder

KEY = JobKey(dag_id="d", run_id="r", task_id="t")
AT = pendulum.datetime(2026, 11, 20)
POOL = {"pool_id": "default"}
AUTO_POOL = {
    "vm_size": "standard_d2s_v3",
    "image_reference": {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204"},
    "node_agent_sku_id": "batch.node.ubuntu 22.04",
}
OF_AUTO_POOL = ("poolInfo", "autoPoolSpecification")
MACHINES = (*OF_AUTO_POOL, "pool")
OUTPUT = {
    "filePattern": "../std*.txt",
    "destination": {"container": {"containerUrl": "https://a.blob.core.windows.net/c", "path": "logs"}},
    "uploadOptions": {"uploadCondition": "taskCompletion"},
}
IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"


def auto_pool(**more: Any) -> dict[str, Any]:
    """Return arguments for a pool of the job's own."""
    return {"pool_id": None, "auto_pool": {**AUTO_POOL, **more}}


# Arguments, the request ("job" or "task"), the path of a field in it, and what must stand there.
ARRIVES: list[tuple[dict[str, Any], str, tuple[Any, ...], Any]] = [
    ({"image": "busybox:1"}, "task", ("containerSettings", "imageName"), "busybox:1"),
    ({"image": "busybox:1"}, "task", ("containerSettings", "containerRunOptions"), "--entrypoint="),
    ({"command": ["a", "b c", "$X"]}, "task", ("commandLine",), "a 'b c' '$X'"),
    ({"script": "echo 'a'\nexit"}, "task", ("commandLine",), shlex.join(["/bin/sh", "-c", "echo 'a'\nexit"])),
    ({"env": {"A": "1"}}, "task", ("environmentSettings", "A"), "1"),
    ({"input": {"a": 1}}, "task", ("environmentSettings", "JOB_INPUT"), '{"a": 1}'),
    ({"inputs": [7, 8], "array_size": 2}, "task", ("environmentSettings", "JOB_INPUT"), "7"),
    ({"array_size": 3}, "task", ("environmentSettings", "JOB_COUNT"), "3"),
    ({"array_size": 3}, "task", ("environmentSettings", "JOB_INDEX"), "0"),
    ({"prelude": False}, "task", ("environmentSettings", "JOB_INDEX"), "0"),
    ({"cpu": 0.5}, "task", ("containerSettings", "containerRunOptions"), "--entrypoint= --cpus=0.5"),
    ({"memory": "1Gi"}, "task", ("containerSettings", "containerRunOptions"), "--entrypoint= --memory=1024m"),
    ({"gpu": 2}, "task", ("containerSettings", "containerRunOptions"), "--entrypoint= --gpus=2"),
    ({"array_size": 4, "parallelism": 2}, "job", ("maxParallelTasks",), 2),
    ({"max_run_seconds": 90}, "task", ("constraints", "maxWallClockTime"), "PT90S"),
    ({"execution_timeout": timedelta(minutes=2)}, "task", ("constraints", "maxWallClockTime"), "PT120S"),
    ({"spot": True, **auto_pool(nodes=3)}, "job", (*MACHINES, "targetLowPriorityNodes"), 3),
    ({"spot": True, **auto_pool(nodes=3)}, "job", (*MACHINES, "targetDedicatedNodes"), 0),
    ({"labels": {"team": "ml"}}, "job", ("metadata", "team"), "ml"),
    ({"native": {"job": {"priority": 7}}}, "job", ("priority",), 7),
    ({"native": {"task": {"requiredSlots": 2}}}, "task", ("requiredSlots",), 2),
    ({"pool_id": "default"}, "job", ("poolInfo", "poolId"), "default"),
    (auto_pool(), "job", (*OF_AUTO_POOL, "poolLifetimeOption"), "job"),
    (auto_pool(), "job", (*OF_AUTO_POOL, "keepAlive"), False),
    (auto_pool(), "job", (*MACHINES, "vmSize"), "standard_d2s_v3"),
    (auto_pool(), "job", (*MACHINES, "targetDedicatedNodes"), 1),
    (
        auto_pool(),
        "job",
        (*MACHINES, "virtualMachineConfiguration"),
        {
            "imageReference": {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204"},
            "nodeAgentSKUId": "batch.node.ubuntu 22.04",
            "containerConfiguration": {"type": "dockerCompatible", "containerImageNames": ["busybox:1"]},
        },
    ),
    (auto_pool(task_slots_per_node=4), "job", (*MACHINES, "taskSlotsPerNode"), 4),
    (auto_pool(start_task="echo hi"), "job", (*MACHINES, "startTask"), {"commandLine": "echo hi"}),
    (auto_pool(subnet_id="/s/n"), "job", (*MACHINES, "networkConfiguration", "subnetId"), "/s/n"),
    (
        auto_pool(application_packages=["app"]),
        "job",
        (*MACHINES, "applicationPackageReferences"),
        [{"applicationId": "app"}],
    ),
    (
        auto_pool(enable_inter_node_communication=True),
        "job",
        (*MACHINES, "enableInterNodeCommunication"),
        True,
    ),
    (
        auto_pool(container_registries=[{"registryServer": "r.azurecr.io", "identityReference": IDENTITY}]),
        "job",
        (*MACHINES, "virtualMachineConfiguration", "containerConfiguration", "containerRegistries"),
        [{"registryServer": "r.azurecr.io", "identityReference": {"resourceId": IDENTITY}}],
    ),
    (auto_pool(hold_seconds=45), "job", ("jobReleaseTask", "commandLine"), "/bin/sh -c 'sleep 45'"),
    (auto_pool(hold_seconds=0), "job", ("jobReleaseTask",), None),
    ({"job_id": "shared"}, "job", ("id",), "shared"),
    ({"job_id": "shared"}, "job", ("usesTaskDependencies",), True),
    (
        {"cpu": 1, "container_run_options": "--cpus=2 --shm-size=1g"},
        "task",
        ("containerSettings", "containerRunOptions"),
        "--entrypoint= --cpus=1 --cpus=2 --shm-size=1g",
    ),
    (
        {"container_registry": {"registryServer": "r.azurecr.io", "identityReference": {"resourceId": "i"}}},
        "task",
        ("containerSettings", "registry"),
        {"registryServer": "r.azurecr.io", "identityReference": {"resourceId": "i"}},
    ),
    (
        {"container_working_directory": "containerImageDefault"},
        "task",
        ("containerSettings", "workingDirectory"),
        "containerImageDefault",
    ),
    (
        {"resource_files": [{"http_url": "http://127.0.0.1:9/a", "filePath": "in/a"}]},
        "task",
        ("resourceFiles",),
        [{"httpUrl": "http://127.0.0.1:9/a", "filePath": "in/a"}],
    ),
    (
        {"upload_files": [OUTPUT]},
        "task",
        ("outputFiles",),
        [{**OUTPUT, "uploadOptions": {"uploadCondition": "taskcompletion"}}],
    ),
    (
        {"user_identity": {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}},
        "task",
        ("userIdentity",),
        {"autoUser": {"scope": "pool", "elevationLevel": "admin"}},
    ),
    ({"user_identity": "bob"}, "task", ("userIdentity",), {"username": "bob"}),
    (
        {"exit_conditions": {"exitCodes": [{"code": 3, "exitOptions": {"jobAction": "Terminate"}}]}},
        "task",
        ("exitConditions", "exitCodes"),
        [{"code": 3, "exitOptions": {"jobAction": "terminate"}}],
    ),
    (
        {"exit_conditions": {"default": {"jobAction": "terminate"}}},
        "job",
        ("onTaskFailure",),
        "performexitoptionsjobaction",
    ),
    ({"job_id": "shared", "depends_on": ["a"]}, "task", ("dependsOn",), {"taskIds": ["a"]}),
    (
        {"job_id": "shared", "depends_on": {"taskIdRanges": [{"start": 1, "end": 3}]}},
        "task",
        ("dependsOn",),
        {"taskIdRanges": [{"start": 1, "end": 3}]},
    ),
    ({"affinity_id": "node-1"}, "task", ("affinityInfo", "affinityId"), "node-1"),
    (
        {"multi_instance_settings": {"numberOfInstances": 2, "coordination_command_line": "true"}},
        "task",
        ("multiInstanceSettings",),
        {"numberOfInstances": 2, "coordinationCommandLine": "true"},
    ),
    ({"required_slots": 3}, "task", ("requiredSlots",), 3),
    ({"max_task_retry_count": 2}, "task", ("constraints", "maxTaskRetryCount"), 2),
    ({"retention_seconds": 3600}, "task", ("constraints", "retentionTime"), "PT3600S"),
    ({"priority": -5}, "job", ("priority",), -5),
    ({"job_preparation_task": "echo hi"}, "job", ("jobPreparationTask",), {"commandLine": "echo hi"}),
    (
        {"job_preparation_task": "echo hi", "job_release_task": {"command_line": "rm -rf x"}},
        "job",
        ("jobReleaseTask",),
        {"commandLine": "rm -rf x"},
    ),
]
PACKAGES = {"application_packages": ["app", "other#1.0"]}


@pytest.fixture(scope="module")
def recorder(cloud: LocalCloud) -> Iterator[Recorder]:
    """Yield a recorder in front of the local cloud, which the connection ``recorded`` points at."""
    connection = cloud.connections["azure_batch_default"]
    with Recorder(cloud.http) as started, pytest.MonkeyPatch.context() as patch:
        there = {**connection, "extra": {"account_url": started.url}}
        patch.setenv("AIRFLOW_CONN_RECORDED", json.dumps(there))
        yield started


def operator(**arguments: Any) -> AzureBatchTaskOperator:
    """Return an operator that runs nothing worth mentioning."""
    given = {"image": "busybox:1", **POOL, **arguments}
    if not {"command", "script"} & given.keys():
        given["command"] = ["true"]
    return AzureBatchTaskOperator(task_id="t", azure_batch_conn_id="recorded", **given)


def sent(recorder: Recorder, made: AzureBatchTaskOperator) -> dict[str, Any]:
    """Submit what an operator says and return the first job and the first task that were sent."""
    (target,) = made.resolve_targets()
    before = len(recorder.requests)
    key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
    AzureBatchBackend(target.ref).submit(target.spec, key)
    posts = [each for each in recorder.requests[before:] if each.method == "POST"]
    jobs = [each.json for each in posts if each.path == "/jobs"]
    tasks = [each.json["value"] for each in posts if each.path.endswith("/addtaskcollection")]
    return {"job": jobs[0] if jobs else {}, "task": tasks[0][0]}


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return what stands at a path, ``None`` where it ends; names and values are read as a dict."""
    for step in path:
        if isinstance(value, list) and all(isinstance(each, dict) and "name" in each for each in value):
            value = {each["name"]: each["value"] for each in value}
        value = value.get(step) if isinstance(value, dict) else None
    return value


@pytest.mark.parametrize("row", ARRIVES)
def test_the_argument_is_sent_to_the_service(
    quiet_cloud: LocalCloud, recorder: Recorder, row: tuple[dict[str, Any], str, tuple[Any, ...], Any]
) -> None:
    arguments, request_name, path, expected = row
    assert at(sent(recorder, operator(**arguments))[request_name], path) == expected


def test_application_packages_are_written_with_and_without_a_version() -> None:
    (task,) = submission(operator(**PACKAGES)).tasks()
    assert task["applicationPackageReferences"] == [
        {"applicationId": "app"},
        {"applicationId": "other", "version": "1.0"},
    ]


def test_every_argument_has_a_row_in_the_table() -> None:
    tried = {name for arguments, _, _, _ in ARRIVES for name in arguments} | set(PACKAGES)
    assert {*SPEC_FIELDS, *AzureBatchTaskOperator.option_fields} - tried == {"secrets"}


def submission(made: AzureBatchTaskOperator | JobSpec, **more: Any) -> Submission:
    """Return what is to be sent."""
    spec = made if isinstance(made, JobSpec) else made.resolve_targets()[0].spec
    return build_submission(spec, KEY, submitted_at=AT, **more)


def spec(**values: Any) -> JobSpec:
    """Return a spec for the pool that is there."""
    return JobSpec(**{"image": "busybox", "options": POOL, **values})


class TestTasks:
    def test_an_image_without_a_command_keeps_its_own_entry_point(self) -> None:
        (task,) = submission(spec()).tasks()
        assert task["commandLine"] == ""
        assert task["containerSettings"] == {"imageName": "busybox"}

    def test_without_an_image_the_command_runs_on_the_node(self) -> None:
        (task,) = submission(spec(image=None, command=("date",))).tasks()
        assert task["commandLine"] == "date"
        assert "containerSettings" not in task

    def test_a_task_of_a_job_of_its_own_is_called_by_its_index(self) -> None:
        tasks = submission(spec(array_size=9, indexes=(2, 7), inputs=tuple("abcdefghi"))).tasks()
        assert [task["id"] for task in tasks] == ["2", "7"]
        variables = [{each["name"]: each["value"] for each in task["environmentSettings"]} for task in tasks]
        assert [each["JOB_INDEX"] for each in variables] == ["2", "7"]
        assert [each["JOB_COUNT"] for each in variables] == ["9", "9"]
        assert [each["JOB_INPUT"] for each in variables] == ['"c"', '"h"']

    def test_a_task_of_a_shared_job_is_called_by_key_and_index_and_tells_its_submission(self) -> None:
        tasks = submission(spec(array_size=2), job_id="shared").tasks()
        assert [task["id"] for task in tasks] == [f"d-t-{KEY.digest}-0", f"d-t-{KEY.digest}-1"]
        variables = {each["name"]: each["value"] for each in tasks[1]["environmentSettings"]}
        assert variables["AIRFLOW_JOB_KEY"] == KEY.digest
        assert variables["AIRFLOW_JOB_TASKS"] == "2"
        assert variables["AIRFLOW_JOB_SUBMITTED_AT"] == AT.isoformat()

    def test_ids_keep_to_the_length_that_the_service_takes(self) -> None:
        key = JobKey(dag_id="d" * 200, run_id="r", task_id="t" * 200)
        made = build_submission(spec(array_size=100_000), key, job_id="s", submitted_at=AT)
        assert len(made.tasks([99_999])[0]["id"]) <= 64
        assert len(build_submission(spec(), key, submitted_at=AT).job()["id"]) <= 64


class TestJob:
    def test_it_carries_our_labels_and_what_another_process_must_know(self) -> None:
        job = submission(spec(array_size=3)).job()
        metadata = {each["name"]: each["value"] for each in job["metadata"]}
        assert job_labels(KEY).items() <= metadata.items()
        assert (metadata["airflow-job-tasks"], metadata["airflow-job-submitted-at"]) == ("3", AT.isoformat())

    def test_it_does_not_end_before_its_tasks_are_there(self) -> None:
        assert submission(spec()).job()["onAllTasksComplete"] == "noaction"

    def test_nodes_stay_for_a_while_for_their_logs_unless_they_run_windows_or_are_told_what_to_do(
        self,
    ) -> None:
        def release(agent: str = "batch.node.ubuntu 22.04", **options: Any) -> Any:
            pool = {**AUTO_POOL, "node_agent_sku_id": agent}
            job = submission(spec(options={"auto_pool": pool, **options})).job()
            return job.get("jobReleaseTask", {}).get("commandLine")

        assert release() == "/bin/sh -c 'sleep 30'"
        assert release("batch.node.windows amd64") is None
        assert release(job_preparation_task="true") is None
        assert release(job_preparation_task="true", job_release_task="date") == "date"

    def test_a_shared_job_is_not_marked_as_one_submission(self) -> None:
        job = submission(spec(), job_id="shared").job()
        assert job["metadata"] == [{"name": "managed-by", "value": "airflow-provider-jobs"}]
        assert "onAllTasksComplete" not in job


class TestNative:
    def test_it_is_laid_on_job_and_tasks(self) -> None:
        native = {
            "job": {
                "constraints": {"maxWallClockTime": "PT1H"},
                "metadata": [{"name": "mine", "value": "x"}],
            },
            "task": {"constraints": {"maxTaskRetryCount": 4}, "commandLine": "other"},
        }
        made = submission(spec(command=("a",), max_run_seconds=5, native=native))
        assert made.job()["constraints"] == {"maxWallClockTime": "PT1H"}
        assert {"name": "mine", "value": "x"} in made.job()["metadata"]
        (task,) = made.tasks()
        assert task["commandLine"] == "other"
        assert task["constraints"] == {"maxWallClockTime": "PT5S", "maxTaskRetryCount": 4}

    def test_our_marks_cannot_be_unsaid(self) -> None:
        native = {
            "job": {
                "id": "other",
                "onAllTasksComplete": "terminatejob",
                "metadata": [{"name": "airflow-job-key", "value": "other"}],
            },
            "task": {"id": "other", "environmentSettings": [{"name": "JOB_INDEX", "value": "9"}]},
        }
        made = submission(spec(native=native))
        assert made.job()["id"] == f"d-t-{KEY.digest}"
        assert made.job()["onAllTasksComplete"] == "noaction"
        assert {"name": "airflow-job-key", "value": KEY.digest} in made.job()["metadata"]
        (task,) = made.tasks()
        assert task["id"] == "0"
        assert {"name": "JOB_INDEX", "value": "0"} in task["environmentSettings"]


def test_a_task_that_is_too_large_is_refused_by_the_arguments_name() -> None:
    with pytest.raises(InvalidArgument, match=r"^inputs: a task is 1,2\d\d,\d\d\d bytes long") as caught:
        submission(spec(inputs=("x" * 1_200_000,))).tasks()
    assert "xxx" not in str(caught.value)


def test_the_same_spec_key_and_time_give_the_same_requests() -> None:
    one, other = (submission(spec(array_size=3, labels={"a": "b"})) for _ in range(2))
    assert (one.job(), one.tasks()) == (other.job(), other.tasks())
