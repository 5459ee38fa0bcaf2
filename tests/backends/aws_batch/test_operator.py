"""What is wrong in a DAG is said when it is parsed, with the argument's name and what to write instead."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from airflow_provider_jobs.backends.aws_batch.operator import AwsBatchJobOperator
from airflow_provider_jobs.backends.aws_batch.options import AwsBatchOptions
from airflow_provider_jobs.backends.aws_batch.resources import FARGATE_MEMORY
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument

ROLE = "arn:aws:iam::123456789012:role/batch"
SECRET = "arn:aws:ssm:eu-west-1:123456789012:parameter/team/token"
NAMED = {"image": None, "job_definition": "mine"}
FARGATE = {"platform": "FARGATE", "execution_role": ROLE}


def operator(**arguments: Any) -> AwsBatchJobOperator:
    """Return an operator with these arguments over ones that are right."""
    right = {"task_id": "t", "job_queue": "q", "image": "busybox:1", "command": ["true"]}
    return AwsBatchJobOperator(**{**right, **arguments})


# Arguments and what the message must say.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"image": "busy box"}, r"^image: 'busy box' is not an image name"),
    ({"image": "a" * 256}, r"^image: it has 256 characters\. AWS Batch takes 255"),
    ({"image": None}, r"^job_definition: nothing says what to run\. Give job_definition, image"),
    ({"job_definition": "mine"}, r"^image: it is given beside job_definition.*eks_properties_override=\{\}"),
    ({"command": ["a", ""]}, r"^command: it holds an empty word"),
    ({"env": {"A": 1}}, r"^env: A is of type int\. Write its value as text"),
    ({"env": {"AWS_BATCH_X": "1"}}, r"^env: AWS_BATCH_X begins as the service's own variables do"),
    ({"secrets": {"TOKEN": "geheim"}}, r"^secrets: TOKEN holds no reference to a secret\. Write the ARN"),
    ({"secrets": {"TOKEN": SECRET}}, r"^execution_role: secrets are given and no role that may read them"),
    ({**NAMED, "secrets": {"TOKEN": SECRET}}, r"^secrets: they are given beside job_definition"),
    ({"array_size": 10_001}, r"^array_size: 10001 is refused"),
    ({"array_size": 8, "parallelism": 2}, r"^parallelism: 2 cannot be kept.*SEQUENTIAL"),
    ({"max_run_seconds": 30}, r"^max_run_seconds: 30 is refused\. AWS Batch takes 60 seconds at least"),
    ({"spot": True}, r"^spot: spot is set, and on AWS Batch the queue decides.*job_queue"),
    ({"gpu": {"count": 1, "type": "t4"}}, r"^gpu: the type 't4' is given.*Write the count alone"),
    ({"cpu": 0.5}, r"^cpu: 0\.5 is no whole number.*FARGATE"),
    ({**NAMED, "cpu": 0.7}, r"^cpu: 0\.7 is refused"),
    ({"memory": "1Mi"}, r"^memory: '1Mi' is too little"),
    ({"labels": {"aws:x": "1"}}, r"^labels: aws:x is set by AWS"),
    ({"labels": {"airflow-job-key": "1"}}, r"^labels: airflow-job-key is set by"),
    ({"tags": {"a#b": "1"}}, r"^tags: 'a#b' is no name of a tag"),
    ({"tags": {"a": "x" * 257}}, r"^tags: a has the value"),
    ({"tags": {f"t{n}": "x" for n in range(41)}}, r"^tags: 41 tags are too many"),
    ({"job_queue": "my queue"}, r"^job_queue: 'my queue' is refused\. Write the name or the ARN"),
    ({"job_queue": None}, r"^job_queue"),
    ({"region_name": "mars"}, r"^region_name: 'mars' is refused\. Write a region such as \"eu-west-1\""),
    ({"region_name": 3}, r"^region_name: 3 is not text"),
    ({**NAMED, "job_definition": "a b"}, r"^job_definition: 'a b' is refused"),
    ({"depends_on": [{"jobId": "j"}] * 21}, r"^depends_on: "),
    (
        {"depends_on": [{"type": "N_TO_N"}], "array_size": 2},
        r"^depends_on\.0: it is of type N_TO_N and has no jobId",
    ),
    ({"depends_on": [{"jobId": "j", "type": "N_TO_N"}]}, r"^depends_on: type N_TO_N is for arrays"),
    ({"depends_on": [{"type": "SEQUENTIAL"}]}, r"^depends_on: type SEQUENTIAL is for arrays"),
    ({"depends_on": [{"job": "j"}]}, r"^depends_on\.0\.(jobId|job)"),
    ({"retry_strategy": {"attempts": 11}}, r"^retry_strategy\.attempts: 11 is refused"),
    (
        {"retry_strategy": {"evaluateOnExit": [{"onReason": "*", "action": "EXIT"}]}},
        r"^retry_strategy: it has evaluateOnExit and no attempts.*Set attempts from 1 to 10",
    ),
    (
        {"retry_strategy": {"attempts": 2, "evaluateOnExit": [{"action": "EXIT"}]}},
        r"^retry_strategy\.evaluateOnExit\.0: it does not say when it holds",
    ),
    (
        {"retry_strategy": {"attempts": 2, "evaluateOnExit": [{"onReason": "*", "action": "STOP"}]}},
        r"^retry_strategy\.evaluateOnExit\.0\.action: 'STOP' is refused",
    ),
    (
        {"retry_strategy": {"attempts": 2, "evaluateOnExit": [{"onReason": "*", "action": "EXIT"}] * 6}},
        r"^retry_strategy\.evaluateOnExit: ",
    ),
    (
        {"retry_strategy": {"attempts": 2, "evaluateOnExit": [{"onExitCode": "x", "action": "EXIT"}]}},
        r"^retry_strategy\.evaluateOnExit\.0\.onExitCode: 'x' is refused",
    ),
    ({"share_identifier": "a b"}, r"^share_identifier: 'a b' is refused"),
    ({"scheduling_priority": 10_000}, r"^scheduling_priority: 10000 is refused"),
    ({"parameters": {"a": 1}}, r"^parameters\.a: 1 is refused"),
    (
        {**NAMED, "container_overrides": {}, "ecs_properties_override": {}},
        r"^ecs_properties_override: it is given beside container_overrides",
    ),
    ({"ecs_properties_override": {}}, r"^ecs_properties_override: it is given beside image"),
    ({"eks_properties_override": {}}, r"^eks_properties_override: it is given beside image"),
    ({"node_overrides": {}}, r"^num_nodes: node_overrides is given beside image"),
    (
        {**NAMED, "container_overrides": ["geheim"]},
        r"^container_overrides: it is of type list\. Write a dict",
    ),
    ({**NAMED, "container_overrides": {"a": {1, "geheim"}}}, r"^container_overrides: it holds what JSON"),
    ({"num_nodes": 1}, r"^num_nodes: 1 is refused"),
    ({"num_nodes": 2, "array_size": 3}, r"^num_nodes: it is given beside array_size=3"),
    ({"num_nodes": 2, **FARGATE}, r"^num_nodes: Fargate runs no job on several nodes"),
    (
        {**NAMED, "eks_properties_override": {}, "propagate_tags": True},
        r"^propagate_tags: there is no task of ECS on EKS",
    ),
    ({"platform": "LAMBDA"}, r"^platform: 'LAMBDA' is refused"),
    ({"platform": "FARGATE"}, r"^execution_role: platform is FARGATE and none is given"),
    ({**FARGATE, "gpu": 1}, r"^gpu: Fargate has none"),
    ({**FARGATE, "cpu": 3}, r"^cpu: 3 is refused\. On Fargate write one of 0\.25, 0\.5, 1"),
    ({**FARGATE, "cpu": 1, "memory": "1Gi"}, r"^memory: 1024 MiB does not go with cpu=1 on Fargate.* 2048Mi"),
    ({**FARGATE, "memory": "1000Mi"}, r"^memory: 1000 MiB is refused"),
    ({"assign_public_ip": True}, r"^assign_public_ip: it is for Fargate alone\. Give platform='FARGATE'"),
    ({**FARGATE, "ephemeral_storage_gib": 20}, r"^ephemeral_storage_gib: 20 is refused"),
    ({"execution_role": "batch"}, r"^execution_role: 'batch' is refused\. Write an ARN such as"),
    ({**NAMED, "job_role": ROLE}, r"^job_role: it is given beside job_definition"),
    ({**NAMED, "volumes": []}, r"^volumes: it is given beside job_definition"),
    ({"delete_after": "success"}, r"^delete_after: 'success' is refused: AWS Batch drops the record"),
    ({"input": "x" * 9_000}, r"^input: command and variables are 9,\d\d\d characters long"),
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
        {"job_queue": "{{ var.value.queue }}"},
        {"job_queue": "arn:aws:batch:eu-west-1:123456789012:job-queue/q"},
        {"region_name": "{{ var.value.region }}"},
        {"region_name": "us-gov-west-1"},
        {**NAMED, "job_definition": "arn:aws:batch:eu-west-1:123456789012:job-definition/mine:7"},
        {**NAMED, "job_definition": "{{ var.value.definition }}"},
        {"depends_on": [{"jobId": "{{ ti.xcom_pull('a', key='job')['native_id'] }}", "type": "N_TO_N"}]},
        {"labels": {"team": "{{ params.Team }}#"}},
        {"secrets": {"TOKEN": "/team/token"}, "execution_role": ROLE},
        {"array_size": "{{ params.size }}"},
        {"platform": "{{ params.platform }}", "ephemeral_storage_gib": 50},
        {"retry_strategy": {"attempts": 2, "evaluateOnExit": [{"onReason": "*", "action": "exit"}]}},
        {**NAMED, "image": "other:1", "eks_properties_override": {}},
        {**NAMED, "platform": "FARGATE", "cpu": 0.25},
        {**NAMED, "node_overrides": {}, "num_nodes": 4},
        {"native": {"jobDefinition": {"type": "container"}}, "image": None},
    ],
)
def test_what_can_be_meant_is_taken_and_a_template_checked_only_when_it_is_rendered(
    arguments: dict[str, Any],
) -> None:
    assert operator(**arguments).task_id == "t"


def test_one_template_does_not_hide_what_is_wrong_beside_it() -> None:
    with pytest.raises(InvalidArgument, match=r"^scheduling_priority: -1 is refused"):
        operator(share_identifier="{{ params.share }}", scheduling_priority=-1)


@pytest.mark.parametrize("cpu", FARGATE_MEMORY)
def test_every_size_of_fargate_is_taken(cpu: float) -> None:
    for memory in FARGATE_MEMORY[cpu]:
        assert operator(**FARGATE, cpu=cpu, memory=f"{memory}Mi").cpu == cpu


def test_all_that_can_be_rendered_is_a_template_field() -> None:
    fields = {"image", "env", "aws_conn_id", "job_queue", "region_name"}
    assert fields | set(AwsBatchJobOperator.option_fields) <= set(AwsBatchJobOperator.template_fields)


def test_the_options_are_the_arguments_of_the_operator_and_described_there() -> None:
    assert set(AwsBatchJobOperator.option_fields) == set(AwsBatchOptions.model_fields)
    documented = AwsBatchJobOperator.__doc__ or ""
    arguments = [*AwsBatchJobOperator.option_fields, *AwsBatchJobOperator.scope_fields, "aws_conn_id"]
    assert [name for name in arguments if f":param {name}:" not in documented] == []


def test_the_reference_names_queue_and_region() -> None:
    (target,) = operator(region_name="eu-west-1").resolve_targets()
    assert target.ref.scope == {"job_queue": "q", "region_name": "eu-west-1"}
    (target,) = operator().resolve_targets()
    assert target.ref.scope == {"job_queue": "q"}


def test_the_spec_holds_only_the_options_that_were_given() -> None:
    (target,) = operator(job_role=ROLE).resolve_targets()
    assert target.spec.options == {"job_role": ROLE}


def test_options_are_the_same_after_a_round_through_the_spec() -> None:
    retries = {"attempts": 2, "evaluateOnExit": [{"onReason": "*", "action": "EXIT"}]}
    arguments = {"retry_strategy": retries, "depends_on": [{"jobId": "j"}], "scheduling_priority": 0}
    (target,) = operator(**arguments).resolve_targets()
    options = build_model(AwsBatchOptions, target.spec.options)
    told = options.model_dump(by_alias=True, exclude_none=True)
    assert told == arguments


def test_parsing_a_dag_imports_no_package_of_aws() -> None:
    program = """
import sys
at_start = set(sys.modules)
from airflow_provider_jobs.operators import AwsBatchJobOperator
AwsBatchJobOperator(task_id="t", job_queue="q", image="busybox", cpu=2, retry_strategy={"attempts": 2})
print([name for name in set(sys.modules) - at_start if name.split(".")[0] in ("boto3", "botocore")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
