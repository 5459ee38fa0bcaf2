"""What of a job goes into its submission, what into its job definition, and what is refused as a whole."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_provider_jobs.backends.aws_batch import request
from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.core.errors import InvalidArgument, InvalidRequest
from airflow_provider_jobs.core.identity import JobKey, job_labels
from airflow_provider_jobs.core.spec import JobSpec
from tests.backends.aws_batch.conftest import new_key

KEY = JobKey(dag_id="d", run_id="r", task_id="t")
ROLE = "arn:aws:iam::123456789012:role/batch"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"


def variables(job: dict[str, Any]) -> dict[str, str]:
    """Return the variables of a job that is submitted so."""
    return {each["name"]: each["value"] for each in job["containerOverrides"]["environment"]}


def definition(spec: JobSpec) -> dict[str, Any]:
    """Return the definition that is registered for a spec."""
    made = request.build(spec, KEY, job_queue="q").definition
    assert made is not None
    return made


class TestWhatRuns:
    def test_a_definition_keeps_its_command_where_nothing_is_to_run(self) -> None:
        job = request.build(JobSpec(options={"job_definition": "mine"}), KEY, job_queue="q").job
        assert job["containerOverrides"] == {"environment": [{"name": "JOB_COUNT", "value": "1"}]}

    def test_a_part_of_an_array_is_an_array_of_its_own_size(self) -> None:
        spec = JobSpec(image="busybox", script="true", array_size=9, indexes=(3, 7))
        job = request.build(spec, KEY, job_queue="q").job
        assert job["arrayProperties"] == {"size": 2}
        assert variables(job) == {"JOB_INDEX_MAP": "3,7", "JOB_COUNT": "9"}

    def test_a_single_index_that_runs_again_is_a_plain_job(self) -> None:
        spec = JobSpec(image="busybox", script="true", array_size=9, indexes=(3,))
        assert "arrayProperties" not in request.build(spec, KEY, job_queue="q").job

    @pytest.mark.parametrize(
        ("indexes", "kept"),
        [
            (None, ["N_TO_N", "SEQUENTIAL", None]),
            ((0, 1, 2), ["N_TO_N", "SEQUENTIAL", None]),
            ((0, 2), ["SEQUENTIAL", None]),
            ((2,), [None]),
        ],
    )
    def test_indexes_that_run_again_wait_for_no_index_of_their_own_number(
        self, indexes: tuple[int, ...] | None, kept: list[str | None]
    ) -> None:
        depends_on = [{"jobId": "j", "type": "N_TO_N"}, {"type": "SEQUENTIAL"}, {"jobId": "k"}]
        spec = JobSpec(image="b", array_size=3, indexes=indexes, options={"depends_on": depends_on})
        job = request.build(spec, KEY, job_queue="q").job
        assert [each.get("type") for each in job["dependsOn"]] == kept


class TestDefinitions:
    def test_what_differs_from_run_to_run_makes_no_other_definition(self) -> None:
        plain = definition(JobSpec(image="busybox"))
        other = JobSpec(
            image="busybox",
            script="true",
            env={"A": "1"},
            input=1,
            cpu=4,
            memory="8Gi",
            array_size=7,
            labels={"a": "b"},
        )
        assert definition(other) == plain

    @pytest.mark.parametrize(
        "values",
        [
            {"image": "busybox:2"},
            {"gpu": {"count": 1}},
            {"options": {"job_role": ROLE}},
            {"options": {"num_nodes": 2}},
            {"secrets": {"TOKEN": SECRET}, "options": {"execution_role": ROLE}},
            {"native": {"jobDefinition": {"containerProperties": {"user": "nobody"}}}},
        ],
    )
    def test_what_stands_in_a_definition_makes_another_one(self, values: dict[str, Any]) -> None:
        plain, other = (
            definition(JobSpec(image="busybox")),
            definition(JobSpec(**{"image": "busybox", **values})),
        )
        assert other["jobDefinitionName"] != plain["jobDefinitionName"]

    @pytest.mark.parametrize(
        ("image", "name"),
        [
            ("busybox", "airflow-busybox-"),
            ("1.dkr.ecr.eu-west-1.amazonaws.com/team/score:7.1", "airflow-score-7-1-"),
            ("a" * 255, "airflow-aaa"),
        ],
    )
    def test_its_name_tells_the_image_and_is_one_that_the_service_takes(self, image: str, name: str) -> None:
        made = definition(JobSpec(image=image))["jobDefinitionName"]
        assert made.startswith(name)
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,128}", made)

    def test_a_whole_definition_may_be_native(self, backend: AwsBatchBackend) -> None:
        sizes = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
        containers = [{"name": "main", "image": "busybox", "resourceRequirements": sizes}]
        spec = JobSpec(
            script="true",
            options={"ecs_properties_override": {"taskProperties": [{"containers": [{"name": "main"}]}]}},
            native={"jobDefinition": {"ecsProperties": {"taskProperties": [{"containers": containers}]}}},
        )
        handle = backend.submit(spec, new_key())
        job = backend.hook.get_job(handle.native_id)
        (made,) = backend.hook.describe_job_definitions([job["jobDefinition"]])
        assert made["ecsProperties"]["taskProperties"][0]["containers"][0]["image"] == "busybox"


class TestNative:
    def test_it_is_laid_on_what_the_arguments_say_variable_by_variable(self) -> None:
        native = {
            "containerOverrides": {"environment": [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}]}
        }
        spec = JobSpec(image="busybox", env={"A": "1", "C": "4"}, native=native)
        job = request.build(spec, KEY, job_queue="q").job
        assert variables(job) == {"A": "2", "B": "3", "C": "4", "JOB_COUNT": "1"}

    def test_name_queue_and_our_tags_cannot_be_unsaid(self) -> None:
        native = {"jobName": "x", "jobQueue": "y", "tags": {request.KEY_TAG: "other", "mine": "z"}}
        job = request.build(JobSpec(image="busybox", native=native), KEY, job_queue="q").job
        assert (job["jobName"], job["jobQueue"]) == (request.job_name_of(KEY), "q")
        assert job["tags"] == {**job_labels(KEY), "mine": "z"}

    def test_the_size_of_an_array_is_left_to_its_argument(self) -> None:
        spec = JobSpec(image="busybox", array_size=5, native={"arrayProperties": {"size": 6}})
        with pytest.raises(InvalidArgument, match=r"^native: arrayProperties.size is 6 where 5 .*array_size"):
            request.build(spec, KEY, job_queue="q")

    def test_a_field_that_the_service_does_not_know_is_named_without_any_value(
        self, backend: AwsBatchBackend
    ) -> None:
        spec = JobSpec(image="busybox", native={"timeouts": "geheim", "tags": {"x": 3}})
        with pytest.raises(InvalidRequest, match=r'Unknown parameter in input: "timeouts"') as caught:
            backend.submit(spec, new_key())
        assert "geheim" not in str(caught.value)
        assert "Invalid type for parameter tags.x" in str(caught.value)


class TestTooLong:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (
                {"inputs": ["x" * 5_000] * 2, "array_size": 2},
                r"^inputs: .* are 10,\d\d\d characters long.* 8,192",
            ),
            ({"input": "x" * 9_000}, r"^input: "),
            ({"script": "x" * 9_000}, r"^script: "),
            ({"command": ["x" * 9_000]}, r"^command: "),
            ({"env": {"A": "x" * 9_000}}, r"^env: "),
            ({"array_size": 10_000, "indexes": tuple(range(1, 5_000, 2))}, r"^array_size: "),
            ({"command": ["x" * 9_000], "options": {"num_nodes": 2}}, r"^command: .* 8,192"),
        ],
    )
    def test_overrides_that_ecs_would_refuse_are_refused_by_the_argument_that_fills_them(
        self, values: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InvalidArgument, match=message) as caught:
            request.build(JobSpec(image="busybox", **values), KEY, job_queue="q")
        assert "xxx" not in str(caught.value)
        assert "bucket" in str(caught.value)

    def test_a_pod_may_be_longer_but_no_job_is_longer_than_the_service_takes(self) -> None:
        def pod(length: int) -> JobSpec:
            options = {"job_definition": "pods", "eks_properties_override": {}}
            return JobSpec(input="x" * length, options=options)

        assert request.build(pod(9_000), KEY, job_queue="q")
        with pytest.raises(InvalidArgument, match=r"^input: the job is 31,\d\d\d bytes long.* 30,720"):
            request.build(pod(31_000), KEY, job_queue="q")

    def test_tags_are_counted_with_ours(self) -> None:
        labels = {f"l{n}": "x" for n in range(40)}
        spec = JobSpec(image="busybox", labels=labels, options={"tags": {f"t{n}": "x" for n in range(10)}})
        with pytest.raises(InvalidArgument, match=r"^tags: 56 tags are too many"):
            request.build(spec, KEY, job_queue="q")


def test_the_same_spec_and_key_give_the_same_request() -> None:
    spec = JobSpec(image="busybox", array_size=3, labels={"a": "b"}, env={"A": "1"})
    assert request.build(spec, KEY, job_queue="q") == request.build(spec, KEY, job_queue="q")
