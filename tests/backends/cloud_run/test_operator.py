"""What is wrong in a DAG is said when it is parsed, with the argument's name and what to write instead."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_jobs.backends.cloud_run.operator import CloudRunJobOperator
from airflow_provider_jobs.backends.cloud_run.options import CPU_MEMORY_MIB, CloudRunOptions
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument

SECRET = "projects/p/secrets/s/versions/1"
VOLUME = {"name": "data", "mount_path": "/data", "gcs": {"bucket": "b"}}


def making(**arguments: Any) -> CloudRunJobOperator:
    """Return an operator whose job is made, with these arguments over ones that are right."""
    right = {"task_id": "t", "region": "europe-west1", "image": "busybox:1", "command": ["true"]}
    return CloudRunJobOperator(**{**right, **arguments})


def running(**arguments: Any) -> CloudRunJobOperator:
    """Return an operator that runs a job that exists, with these arguments over ones that are right."""
    right = {"task_id": "t", "region": "europe-west1", "job_name": "nightly"}
    return CloudRunJobOperator(**{**right, **arguments})


# Arguments of a job that is made, and what the message must say.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"image": "busy box"}, r"^image: 'busy box' is not an image name"),
    ({"image": None, "command": None}, r"^image: nothing says what to run\. Give job_name"),
    ({"env": {"A": 1}}, r"^env: A is of type int\. Write its value as text"),
    ({"env": {"PORT": "1"}}, r"^env: PORT is set by the service"),
    ({"env": {"CLOUD_RUN_TASK_INDEX": "1"}}, r"^env: CLOUD_RUN_TASK_INDEX is set by"),
    ({"env": {"AIRFLOW_JOB_KEY": "1"}}, r"^env: AIRFLOW_JOB_KEY is set by"),
    ({"env": {"X_GOOGLE_A": "1"}}, r"^env: X_GOOGLE_A is set by"),
    ({"secrets": {"K_SERVICE": "geheim"}}, r"^secrets: K_SERVICE holds no reference to a secret"),
    ({"secrets": {"AIRFLOW_JOB_KEY": SECRET}}, r"^secrets: AIRFLOW_JOB_KEY is set by"),
    ({"labels": {"Team": "x"}}, r"^labels: 'Team' is no label name"),
    ({"labels": {"airflow-job-spec": "x"}}, r"^labels: airflow-job-spec is set by"),
    ({"array_size": 0}, r"^array_size: 0 is refused"),
    ({"array_size": 10_001}, r"^array_size: 10001 is refused"),
    ({"task_count": 10_001}, r"^array_size: 10001 is refused"),
    ({"task_count": 2, "array_size": 2}, r"^task_count: it is given beside array_size\. Keep one"),
    (
        {"task_timeout_seconds": 2, "max_run_seconds": 2},
        r"^task_timeout_seconds: it is given beside max_run_seconds\. Keep one",
    ),
    ({"parallelism": 0}, r"^parallelism: 0 is refused"),
    ({"max_run_seconds": 604_801}, r"^max_run_seconds: 604801 is refused"),
    ({"spot": True}, r"^spot: Cloud Run has no machines that are cheaper .*another service"),
    ({"cpu": 0.5}, r"^cpu: 0\.5 CPUs are not to be had on Cloud Run\. Write 1, 2, 4, 6 or 8"),
    ({"cpu": 3}, r"^cpu: 3 CPUs are not to be had"),
    ({"memory": "4 potatoes"}, r"^memory: '4 potatoes' is not a size"),
    ({"memory": "256Mi"}, r"^memory: '256Mi' is refused\. Write at least \"512Mi\""),
    ({"memory": "64Gi"}, r"^memory: '64Gi' is refused"),
    ({"memory": "8Gi"}, r"^memory: 8Gi does not go with cpu=1\. 1 CPUs take from 512Mi to 4Gi"),
    ({"cpu": 4}, r"^memory: 512Mi, the default, does not go with cpu=4\. 4 CPUs take from 2Gi to 16Gi"),
    ({"gpu": 2}, r"^gpu: 2 GPUs are not to be had on Cloud Run"),
    ({"gpu": {"count": 2, "type": "nvidia-l4"}}, r"^gpu: 2 GPUs are not to be had"),
    ({"gpu_zonal_redundancy": False}, r"^gpu_zonal_redundancy: no gpu is given"),
    ({"region": "mars"}, r"^region: 'mars' is refused"),
    ({"project_id": "My Project"}, r"^project_id: 'My Project' is refused"),
    ({"job_name": "Nightly Job"}, r"^job_name: 'Nightly Job' is refused\. Write a job's short name"),
    ({"job_name": "projects/p/locations/r/jobs/j"}, r"^job_name: "),
    ({"impersonation_chain": 3}, r"^impersonation_chain: 3 is not text"),
    ({"args": ["a"]}, r"^args: it is given beside command or script\. Write all words into command"),
    ({"command": None, "args": "a b"}, r"^args: 'a b' is one text"),
    ({"clear_args": True}, r"^clear_args: it is for a job that exists, and image is given"),
    (
        {"container_overrides": [{"name": "a", "env": {"A": "1"}}]},
        r"^container_overrides: it is for a job that exists",
    ),
    ({"max_retries": 11}, r"^max_retries: 11 is refused"),
    ({"service_account": "me"}, r"^service_account: 'me' is refused\. Write a service account"),
    ({"execution_environment": "gen3"}, r"^execution_environment: 'gen3' is refused"),
    ({"network": "n", "vpc_connector": "c"}, r"^vpc_connector: .*beside network or subnetwork"),
    ({"network_tags": ["a"]}, r"^network_tags: .*without network or subnetwork"),
    ({"vpc_egress": "all-traffic"}, r"^vpc_egress: .*no network is"),
    ({"network": "n", "vpc_egress": "all"}, r"^vpc_egress: 'all' is refused"),
    ({"volumes": [{"name": "a", "mount_path": "/a"}]}, r"^volumes\.0: volume 'a' is not of one kind"),
    (
        {"volumes": [{**VOLUME, "nfs": {"server": "s", "path": "/"}}]},
        r"^volumes\.0: volume 'data' is not",
    ),
    ({"volumes": [{**VOLUME, "mount_path": "data"}]}, r"^volumes\.0\.mount_path: 'data' is refused"),
    ({"volumes": [{**VOLUME, "disk": {}}]}, r"^volumes\.0\.disk: "),
    ({"containers": [{"image": "busybox"}]}, r"^containers\.0\.name: it is not given"),
    (
        {"containers": [{"name": "job", "image": "busybox"}]},
        r"^containers\.0\.name: 'job' is the name",
    ),
    ({"encryption_key": "mine"}, r"^encryption_key: 'mine' is refused\. Write projects/"),
    ({"binary_authorization": "yes"}, r"^binary_authorization: 'yes' is refused\. Write \"default\""),
    ({"launch_stage": "SOON"}, r"^launch_stage: 'SOON' is refused"),
]

# Arguments beside the name of a job that exists, and what the message must say.
WRONG_FOR_EXISTING: list[tuple[dict[str, Any], str]] = [
    ({name: value}, rf"^{name}: without an image a job that exists is run.*Give image too")
    for name, value in [
        ("command", ["true"]),
        ("script", "true"),
        ("secrets", {"A": SECRET}),
        ("cpu", 2),
        ("memory", "1Gi"),
        ("gpu", 1),
        ("parallelism", 2),
        ("labels", {"a": "b"}),
        ("max_retries", 2),
        ("service_account", "a@p.iam.gserviceaccount.com"),
        ("network", "n"),
        ("volumes", [VOLUME]),
        ("containers", [{"name": "a", "image": "busybox"}]),
        ("launch_stage", "BETA"),
    ]
] + [
    ({"native": {"template": {}}}, r"^native\.template: without an image"),
    ({"args": ["a"], "clear_args": True}, r"^clear_args: .*Keep one of them"),
    (
        {"args": ["a"], "container_overrides": [{"name": "a"}]},
        r"^container_overrides: .*Write them under each container",
    ),
    ({"container_overrides": []}, r"^container_overrides: "),
    ({"container_overrides": [{"args": ["a"]}]}, r"^container_overrides\.0\.name: it is not given"),
    (
        {"container_overrides": [{"name": "a", "env": {"A": 1}}]},
        r"^container_overrides\.0\.env: A is of",
    ),
    ({"container_overrides": [{"name": "a", "image": "b"}]}, r"^container_overrides\.0\.image: "),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_is_wrong_fails_at_parse_with_the_arguments_name(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message) as caught:
        making(**arguments)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(("arguments", "message"), WRONG_FOR_EXISTING)
def test_what_an_execution_cannot_change_of_its_job_fails_at_parse(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        running(**arguments)


@pytest.mark.parametrize("cpu", sorted(CPU_MEMORY_MIB))
def test_every_number_of_cpus_takes_its_least_and_its_most_memory(cpu: int) -> None:
    for mebibytes in CPU_MEMORY_MIB[cpu]:
        spec = making(cpu=cpu, memory=f"{mebibytes}Mi").resolve_targets()[0].spec
        assert spec.memory_mib == mebibytes


@pytest.mark.parametrize(
    "arguments",
    [
        {"region": "{{ var.value.region }}"},
        {"job_name": "{{ var.value.job }}"},
        {"task_count": "{{ params.size }}"},
        {"task_timeout_seconds": "{{ params.seconds }}"},
        {"labels": {"team": "{{ params.Team }}"}},
        {"memory": "{{ params.memory }}"},
        {"volumes": [{"name": "data", "mount_path": "{{ params.path }}", "gcs": {"bucket": "b"}}]},
    ],
)
def test_a_template_is_checked_only_when_it_is_rendered(arguments: dict[str, Any]) -> None:
    making(**arguments)


def test_one_template_does_not_hide_what_is_wrong_beside_it() -> None:
    with pytest.raises(InvalidArgument, match=r"^max_retries: 11 is refused"):
        making(service_account="{{ params.account }}", max_retries=11)


def test_all_that_can_be_rendered_is_a_template_field() -> None:
    fields = {"image", "env", "gcp_conn_id", "project_id", "region", "job_name", "impersonation_chain"}
    assert fields | set(CloudRunJobOperator.option_fields) <= set(CloudRunJobOperator.template_fields)


def test_the_options_are_the_arguments_of_the_operator_and_described_there() -> None:
    assert set(CloudRunJobOperator.option_fields) == set(CloudRunOptions.model_fields)
    documented = CloudRunJobOperator.__doc__ or ""
    arguments = [
        *CloudRunJobOperator.option_fields,
        *CloudRunJobOperator.scope_fields,
        "gcp_conn_id",
        "task_timeout_seconds",
    ]
    assert [name for name in arguments if f":param {name}:" not in documented] == []


def test_the_services_words_for_size_and_time_are_the_portable_ones() -> None:
    (target,) = running(task_count=3, task_timeout_seconds=10).resolve_targets()
    assert (target.spec.array_size, target.spec.max_run_seconds) == (3, 10)
    (target,) = running(execution_timeout=timedelta(minutes=2)).resolve_targets()
    assert (target.spec.array_size, target.spec.max_run_seconds) == (1, 120)


def test_the_reference_names_project_region_job_and_chain() -> None:
    ref = running(project_id="p-1", impersonation_chain=["a@p.com", "z@p.com"]).resolve_targets()[0].ref
    assert ref.scope == {
        "project_id": "p-1",
        "region": "europe-west1",
        "job_name": "nightly",
        "impersonation_chain": "a@p.com,z@p.com",
    }
    assert making().resolve_targets()[0].ref.scope == {"region": "europe-west1"}


def test_options_are_the_same_after_a_round_through_the_spec() -> None:
    arguments = {
        "max_retries": 0,
        "volumes": [VOLUME],
        "containers": [{"name": "proxy", "image": "envoy:1", "ports": [{"containerPort": 80}]}],
    }
    options = making(**arguments).resolve_targets()[0].spec.options
    assert build_model(CloudRunOptions, options).model_dump(exclude_defaults=True) == arguments


def test_parsing_a_dag_imports_no_google_client() -> None:
    program = """
import sys
at_start = set(sys.modules)
from airflow_provider_jobs.operators import CloudRunJobOperator
CloudRunJobOperator(task_id="t", region="europe-west1", image="busybox", max_retries=2)
print([name for name in set(sys.modules) - at_start if name.split(".")[0] in ("google", "grpc")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
