"""What is wrong in a DAG is said when it is parsed, with the argument's name and what to write instead."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from airflow_provider_jobs.backends.gcp_batch.operator import GcpBatchJobOperator
from airflow_provider_jobs.backends.gcp_batch.options import GcpBatchOptions
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument

SECRET = "projects/p/secrets/s/versions/1"


def operator(**arguments: Any) -> GcpBatchJobOperator:
    """Return an operator with these arguments over ones that are right."""
    right = {"task_id": "t", "region": "europe-west1", "image": "busybox:1", "command": ["true"]}
    return GcpBatchJobOperator(**{**right, **arguments})


# Arguments and what the message must say.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"image": "busy box"}, r"^image: 'busy box' is not an image name"),
    ({"env": {"A": 1}}, r"^env: A is of type int\. Write its value as text"),
    ({"array_size": 0}, r"^array_size: 0 is refused"),
    ({"array_size": 100_001}, r"^array_size: 100001 is refused"),
    ({"parallelism": 5_001}, r"^parallelism: 5001 is refused"),
    ({"memory": "4 potatoes"}, r"^memory: '4 potatoes' is not a size"),
    ({"image": None, "command": None}, r"^image: nothing says what to run"),
    ({"region": "mars"}, r"^region: 'mars' is refused\. Write a region such as \"europe-west1\""),
    ({"region": "europe-west1-b"}, r"^region: 'europe-west1-b' is refused"),
    ({"project_id": "My Project"}, r"^project_id: 'My Project' is refused"),
    ({"secrets": {"TOKEN": "geheim"}}, r"^secrets: TOKEN holds no reference to a secret\. Write projects/"),
    ({"labels": {"Team": "x"}}, r"^labels: 'Team' is no label name"),
    ({"labels": {"team": "A"}}, r"^labels: team has the value 'A'"),
    ({"labels": {"team": "x" * 64}}, r"^labels: team has the value"),
    ({"labels": {"goog-x": "a"}}, r"^labels: goog-x is set by the service"),
    ({"labels": {"airflow-job-key": "a"}}, r"^labels: airflow-job-key is set by"),
    ({"labels": {f"l{n}": "a" for n in range(51)}}, r"^labels: 51 labels are too many"),
    ({"machine_type": "big one"}, r"^machine_type: 'big one' is refused"),
    ({"provisioning_model": "CHEAP"}, r"^provisioning_model: 'CHEAP' is refused"),
    ({"allowed_locations": ["mars"]}, r"^allowed_locations\.0: 'mars' is no location"),
    ({"allowed_locations": []}, r"^allowed_locations: "),
    ({"service_account": "me"}, r"^service_account: 'me' is refused\. Write a service account"),
    ({"service_account_scopes": ["s"]}, r"^service_account_scopes: .*service_account is not"),
    ({"boot_disk_gib": 0}, r"^boot_disk_gib: 0 is refused"),
    ({"boot_disk_type": "fast"}, r"^boot_disk_type: 'fast' is refused"),
    ({"max_retry_count": 11}, r"^max_retry_count: 11 is refused"),
    (
        {"max_retry_count": 1, "lifecycle_policies": [{"action": "RETRY", "exit_codes": [1]}]},
        r"^lifecycle_policies\.0\.action: 'RETRY' is refused",
    ),
    (
        {"max_retry_count": 1, "lifecycle_policies": [{"action": "RETRY_TASK", "exit_codes": ["1"]}]},
        r"^lifecycle_policies\.0\.exit_codes: '1' is no exit code",
    ),
    (
        {"lifecycle_policies": [{"action": "RETRY_TASK", "exit_codes": [1]}]},
        r"^lifecycle_policies: .*max_retry_count is not.*Set max_retry_count from 1 to 10",
    ),
    ({"priority": 100}, r"^priority: 100 is refused"),
    ({"container_volumes": "/a:/b"}, r"^container_volumes: '/a:/b' is one text"),
    ({"logs_policy": "FILE"}, r"^logs_policy"),
    ({"logs_policy": {"path": "relative"}}, r"^logs_policy\.LogPath\.path|^logs_policy"),
    ({"impersonation_chain": 3}, r"^impersonation_chain: 3 is not text"),
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
        {"region": "{{ var.value.region }}"},
        {"project_id": "{{ var.value.project }}"},
        {"machine_type": "{{ params.machine }}"},
        {"labels": {"team": "{{ params.Team }}"}},
        {"secrets": {"TOKEN": "{{ var.value.secret }}"}},
        {"array_size": "{{ params.size }}"},
        {"allowed_locations": ["{{ params.zone }}"]},
    ],
)
def test_a_template_is_checked_only_when_it_is_rendered(arguments: dict[str, Any]) -> None:
    operator(**arguments)


def test_one_template_does_not_hide_what_is_wrong_beside_it() -> None:
    with pytest.raises(InvalidArgument, match=r"^boot_disk_gib: 0 is refused"):
        operator(machine_type="{{ params.machine }}", boot_disk_gib=0)


def test_all_that_can_be_rendered_is_a_template_field() -> None:
    fields = {"image", "env", "gcp_conn_id", "project_id", "region", "impersonation_chain"}
    assert fields | set(GcpBatchJobOperator.option_fields) <= set(GcpBatchJobOperator.template_fields)


def test_the_options_are_the_arguments_of_the_operator_and_described_there() -> None:
    assert set(GcpBatchJobOperator.option_fields) == set(GcpBatchOptions.model_fields)
    documented = GcpBatchJobOperator.__doc__ or ""
    arguments = [*GcpBatchJobOperator.option_fields, *GcpBatchJobOperator.scope_fields, "gcp_conn_id"]
    assert [name for name in arguments if f":param {name}:" not in documented] == []


def test_the_reference_names_project_region_and_chain() -> None:
    ref = operator(project_id="p-1", impersonation_chain=["a@p.com", "z@p.com"]).resolve_targets()[0].ref
    assert ref.scope == {
        "project_id": "p-1",
        "region": "europe-west1",
        "impersonation_chain": "a@p.com,z@p.com",
    }
    assert operator().resolve_targets()[0].ref.scope == {"region": "europe-west1"}


def test_the_spec_holds_only_the_options_that_were_given() -> None:
    assert operator(machine_type="e2-standard-2").resolve_targets()[0].spec.options == {
        "machine_type": "e2-standard-2"
    }
    assert operator().resolve_targets()[0].spec.options == {}


def test_options_are_the_same_after_a_round_through_the_spec() -> None:
    arguments = {"allowed_locations": ["europe-west1-b"], "logs_policy": {"path": "/l"}, "max_retry_count": 0}
    options = operator(**arguments).resolve_targets()[0].spec.options
    assert build_model(GcpBatchOptions, options).model_dump(exclude_defaults=True) == {
        "allowed_locations": ["zones/europe-west1-b"],
        "logs_policy": {"path": "/l"},
        "max_retry_count": 0,
    }


def test_parsing_a_dag_imports_no_google_client() -> None:
    program = """
import sys
at_start = set(sys.modules)
from airflow_provider_jobs.operators import GcpBatchJobOperator
GcpBatchJobOperator(task_id="t", region="europe-west1", image="busybox", machine_type="e2-standard-2")
print([name for name in set(sys.modules) - at_start if name.split(".")[0] in ("google", "grpc")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
