"""What belongs to the job and what to one execution, and what neither of them takes."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run import request
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.spec import JobSpec

KEY = JobKey(dag_id="d", run_id="r", task_id="t")
SECRET = "projects/p/secrets/token/versions/latest"


def build(spec: JobSpec) -> None:
    """Build both requests of a spec."""
    request.build_job(spec, KEY)
    request.build_overrides(spec, KEY)


class TestWhatTheJobIs:
    def test_it_has_one_name_in_all_runs_tries_and_map_indexes_of_a_task(self) -> None:
        others = [{"run_id": "other"}, {"attempt": 2}, {"map_index": 4}]
        assert {request.job_id(KEY.model_copy(update=other)) for other in others} == {request.job_id(KEY)}

    @pytest.mark.parametrize("other", [{"dag_id": "e"}, {"task_id": "u"}, {"deployment": "test"}])
    def test_another_task_or_airflow_has_another(self, other: dict[str, str]) -> None:
        assert request.job_id(KEY.model_copy(update=other)) != request.job_id(KEY)

    def test_the_name_leaves_room_for_what_the_service_adds(self) -> None:
        assert len(request.job_id(JobKey(dag_id="d" * 200, run_id="r", task_id="t" * 200))) == 49

    @pytest.mark.parametrize(
        "per_run",
        [
            {"script": "date"},
            {"env": {"A": "2"}},
            {"input": 7},
            {"array_size": 9},
            {"array_size": 9, "indexes": (1, 2)},
            {"max_run_seconds": 5},
        ],
    )
    def test_what_differs_from_run_to_run_leaves_it_as_it_is(self, per_run: dict[str, Any]) -> None:
        spec = JobSpec(**{"image": "busybox", "script": "true", **per_run})
        assert request.build_job(spec, KEY) == request.build_job(JobSpec(image="busybox", script="true"), KEY)

    @pytest.mark.parametrize(
        "other",
        [
            {"image": "busybox:2"},
            {"cpu": 2},
            {"labels": {"a": "b"}},
            {"secrets": {"A": SECRET}},
            {"options": {"max_retries": 1}},
            {"native": {"annotations": {"a": "b"}}},
            {"command": ("python",), "prelude": False},
        ],
    )
    def test_all_else_changes_the_label_by_which_that_is_seen(self, other: dict[str, Any]) -> None:
        job, changed = (
            request.build_job(JobSpec(**{"image": "busybox", **each}), KEY) for each in ({}, other)
        )
        assert not request.is_same(job, changed)
        assert request.is_ours(job)

    def test_executions_carry_its_labels(self) -> None:
        job = request.build_job(JobSpec(image="busybox", labels={"team": "ml"}), KEY)
        assert dict(job.template.labels) == dict(job.labels)
        assert set(job.labels) == {
            "team",
            "managed-by",
            "airflow-dag-id",
            "airflow-task-id",
            "airflow-job-spec",
        }


class TestNative:
    @pytest.mark.parametrize(
        "native",
        [
            {"template": {"template": {"containers": [{"workingDir": "/w"}]}}},
            {"template": {"template": {"containers": [{"working_dir": "/w"}]}}},
        ],
    )
    def test_both_spellings_are_laid_on_what_the_arguments_say(self, native: dict[str, Any]) -> None:
        job = request.build_job(JobSpec(image="busybox", native=native), KEY)
        (container,) = job.template.template.containers
        assert (container.working_dir, container.image) == ("/w", "busybox")

    def test_our_labels_and_the_key_cannot_be_unsaid(self) -> None:
        native = {
            "labels": {"managed-by": "me", "airflow-job-spec": "x"},
            "overrides": {"containerOverrides": [{"env": [{"name": "AIRFLOW_JOB_KEY", "value": "other"}]}]},
        }
        spec = JobSpec(image="busybox", native=native)
        assert request.is_ours(request.build_job(spec, KEY))
        assert request.build_job(spec, KEY).labels["airflow-job-spec"] != "x"
        (override,) = request.build_overrides(spec, KEY).container_overrides
        assert [each.value for each in override.env if each.name == "AIRFLOW_JOB_KEY"] == [KEY.digest]

    @pytest.mark.parametrize(
        ("native", "message"),
        [
            ({"tmplate": {}}, r"native: 'tmplate' is no field of Job\. Known are annotations"),
            ({"template": {"template": {"x": 1}}}, r"native\.template\.template: 'x' is no field"),
            ({"launchStage": ["geheim"]}, r"native\.launch_stage: the value does not fit the field"),
            ({"overrides": {"args": []}}, r"native\.overrides: 'args' is no field of Overrides"),
            ({"overrides": {"timeout": 60}}, r"native\.timeout: the value does not fit"),
        ],
    )
    def test_what_the_service_does_not_know_is_refused_by_name_without_its_value(
        self, native: dict[str, Any], message: str
    ) -> None:
        spec = JobSpec(image="busybox", native=native)
        with pytest.raises(InvalidArgument, match=message) as caught:
            build(spec)
        assert "geheim" not in str(caught.value)

    def test_a_part_of_an_array_cannot_have_another_count(self) -> None:
        spec = JobSpec(image="busybox", array_size=5, indexes=(1, 2), native={"overrides": {"taskCount": 5}})
        with pytest.raises(InvalidArgument, match="task_count is 5 where 2 indexes are to run"):
            request.build_overrides(spec, KEY)


class TestRefused:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (
                {"input": "x" * 33_000},
                r"^input: JOB_INPUT is 33,002 bytes long.*takes 32,768",
            ),
            ({"env": {"A": "x" * 33_000}}, r"^env: A is 33,000 bytes long"),
            (
                {"inputs": list(range(1200)), "array_size": 1200},
                r"^inputs: it makes 1202 variables, and the service takes 1000\. Put the input into a bucket",
            ),
            (
                {"command": ["a"] * 1200},
                r"^command: it makes 1203 arguments, and the service takes 1000\. Put them into a bucket",
            ),
            ({"spot": True}, r"^spot: Cloud Run has no machines"),
            ({"array_size": 10_001}, r"^array_size: 10001 is refused"),
            (
                {"options": {"containers": [{"name": "a", "image": "b", "depnds_on": []}]}},
                r"^containers\[0\]: 'depnds_on' is no field of Container",
            ),
            (
                {
                    "options": {
                        "containers": [{"name": "a", "image": "b", "ports": [{"container_port": "x"}]}]
                    }
                },
                r"^containers\[0\]\.ports\.container_port|^containers\[0\]: ",
            ),
        ],
    )
    def test_what_the_service_would_refuse(self, values: dict[str, Any], message: str) -> None:
        spec = JobSpec(**{"image": "busybox", **values})
        with pytest.raises(InvalidArgument, match=message):
            build(spec)


def test_the_original_indexes_are_read_from_an_execution() -> None:
    variable = run_v2.EnvVar(name="JOB_INDEX_MAP", value="3,7")
    container = run_v2.Container(env=[variable])
    assert request.index_map(run_v2.Execution(template={"containers": [container]})) == (3, 7)
    assert request.index_map(run_v2.Execution()) is None
