"""The portable job: what is known at DAG parse, and what each service is handed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.registry import backends
from airflow_provider_jobs.operators import ContainerJobOperator
from airflow_provider_jobs.operators.container import operator_of

TARGETS: dict[str, dict[str, Any]] = {
    "gcp_batch": {"project_id": "my-project", "region": "europe-west1"},
    "cloud_run": {"project_id": "my-project", "region": "europe-west1"},
    "aws_batch": {"job_queue": "default"},
    "azure_batch": {"pool_id": "pool"},
    "kubernetes": {"namespace": "jobs"},
}
NAMES = [entry.name for entry in backends()]


def operator(**kwargs: Any) -> ContainerJobOperator:
    values = {
        "task_id": "t",
        "backend": "gcp_batch",
        "image": "busybox",
        "script": "true",
        "targets": TARGETS,
    }
    return ContainerJobOperator(**{**values, **kwargs})


def test_every_service_has_a_target_in_these_tests() -> None:
    assert set(TARGETS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_job_of_a_service_is_what_its_own_operator_would_submit(name: str) -> None:
    entry = next(entry for entry in backends() if entry.name == name)
    words = {"image": "busybox", "command": ["echo", "a"], "env": {"A": "1"}, "array_size": 3}
    (portable,) = operator(backend=name, script=None, **words).resolve_targets()
    (own,) = operator_of(entry)(task_id="t", **words, **TARGETS[name]).resolve_targets()
    assert portable == own


def test_the_job_is_written_for_every_service_in_order() -> None:
    targets = operator(backend=["kubernetes", "gcp_batch"]).resolve_targets()
    assert [target.ref.backend for target in targets] == ["kubernetes", "gcp_batch"]
    assert [target.ref.conn_id for target in targets] == ["kubernetes_default", "google_cloud_default"]
    assert targets[0].ref.scope == {"namespace": "jobs"}


def test_a_portable_argument_in_a_target_stands_in_place_of_the_general_one() -> None:
    targets = {**TARGETS, "kubernetes": {"image": "registry.local/busybox", "cpu": 2, "conn_id": "other"}}
    north, south = operator(backend=["kubernetes", "gcp_batch"], targets=targets, cpu=1).resolve_targets()
    assert (north.spec.image, north.spec.cpu, north.ref.conn_id) == ("registry.local/busybox", 2, "other")
    assert (south.spec.image, south.spec.cpu) == ("busybox", 1)


def test_a_command_in_a_target_takes_the_place_of_the_general_script() -> None:
    targets = {"kubernetes": {"command": ["/bin/busybox", "true"]}}
    (target,) = operator(backend="kubernetes", targets=targets).resolve_targets()
    assert target.spec.command == ("/bin/busybox", "true")
    assert target.spec.script is None


def test_the_services_limit_per_index_defaults_to_execution_timeout() -> None:
    (target,) = operator(execution_timeout=timedelta(minutes=5)).resolve_targets()
    assert target.spec.max_run_seconds == 300


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"backend": "mars"}, "backend: 'mars' is not known"),
        ({"backend": ["gcp_batch", "mars"]}, "backend: 'mars' is not known"),
        ({"backend": []}, "backend: the list is empty"),
        ({"backend": ["gcp_batch", "gcp_batch"]}, "backend: 'gcp_batch' is named twice"),
        ({"backend": None}, "neither backend nor conn_id"),
        ({"targets": ["gcp_batch"]}, "targets: "),
        ({"targets": {"mars": {}}}, "'mars' is not known"),
        ({"targets": {"gcp_batch": "europe-west1"}}, "targets.gcp_batch: 'europe-west1' is no dict"),
        ({"targets": {}}, "region: GCP Batch needs it. Write targets="),
        ({"targets": {"gcp_batch": {"region": "mars"}}}, "targets.gcp_batch.region: 'mars'"),
        ({"targets": {"gcp_batch": {"regoin": "europe-west1"}}}, "regoin: GCP Batch has no such argument"),
        ({"targets": {**TARGETS, "aws_batch": {"queue": "q"}}}, "queue: AWS Batch has no such argument"),
        ({"image": None, "script": None}, "image: nothing says what to run"),
        ({"secrets": {"A": "nowhere"}}, "secrets"),
        ({"cpu": -1}, "cpu: -1 is refused"),
        ({"backend": ["gcp_batch", "kubernetes"], "native": {"priority": 1}}, "native: several services"),
        ({"backend": ["gcp_batch", "kubernetes"], "conn_id": "c"}, "conn_id: several services"),
    ],
    ids=str,
)
def test_what_is_wrong_fails_at_parse_with_the_arguments_name(values: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        operator(**values)
    assert says in str(raised.value)


@pytest.mark.parametrize("name", ["cloud_run", "kubernetes"])
def test_spot_machines_are_refused_with_the_reason_where_a_service_has_none(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^spot: ") as raised:
        operator(backend=name, spot=True)
    assert raised.value.remedy


def test_a_record_that_a_service_never_deletes_is_not_promised_to_be_deleted() -> None:
    with pytest.raises(InvalidArgument, match=r"^delete_after: 'always' is refused: AWS Batch drops"):
        operator(backend=["gcp_batch", "aws_batch"], delete_after="always")
    operator(backend="gcp_batch", delete_after="always")


def test_nodes_that_work_together_are_refused_anywhere_but_on_aws() -> None:
    targets = {"gcp_batch": {**TARGETS["gcp_batch"], "node_overrides": {"numNodes": 2}}}
    with pytest.raises(InvalidArgument, match="node_overrides: GCP Batch has no such argument"):
        operator(targets=targets)


@pytest.mark.parametrize(
    "values",
    [
        {"backend": "{{ var.value.cloud }}"},
        {"backend": ["{{ var.value.cloud }}", "gcp_batch"]},
        {"targets": "{{ var.json.targets }}"},
        {"targets": {"{{ var.value.cloud }}": {"region": "r"}}},
        {"targets": {"gcp_batch": {"region": "{{ var.value.region }}"}}},
        {"targets": {"gcp_batch": "{{ var.json.gcp }}"}},
        {"backend": None, "conn_id": "{{ var.value.conn }}"},
    ],
    ids=str,
)
def test_a_template_is_checked_when_it_is_rendered_and_not_before(values: dict[str, Any]) -> None:
    operator(**values)


def test_what_one_service_refuses_is_no_matter_while_another_may_be_chosen() -> None:
    made = operator(backend="{{ var.value.cloud }}", spot=True)
    made.backend = "gcp_batch"
    assert made.resolve_targets()[0].spec.spot
    made.backend = "cloud_run"
    with pytest.raises(InvalidArgument, match="spot"):
        made.resolve_targets()


@pytest.mark.parametrize(
    ("connection", "backend"),
    [
        ({"conn_type": "aws"}, "aws_batch"),
        ({"conn_type": "azure_batch"}, "azure_batch"),
        ({"conn_type": "kubernetes"}, "kubernetes"),
        ({"conn_type": "gcp_batch"}, "gcp_batch"),
        ({"conn_type": "google_cloud_platform", "extra": {"job_backend": "cloud_run"}}, "cloud_run"),
    ],
)
def test_a_connection_says_which_service(
    monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any], backend: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MY_CLOUD", json.dumps(connection))
    (target,) = operator(backend=None, conn_id="my_cloud").resolve_targets()
    assert (target.ref.backend, target.ref.conn_id) == (backend, "my_cloud")


def test_a_connection_may_hold_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"job_backend": "gcp_batch", "job_target": {"region": "us-east1"}}
    connection = {"conn_type": "google_cloud_platform", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MY_CLOUD", json.dumps(connection))
    (target,) = operator(backend=None, conn_id="my_cloud", targets=None).resolve_targets()
    assert target.ref.scope == {"region": "us-east1"}
    (target,) = operator(backend=None, conn_id="my_cloud").resolve_targets()
    assert target.ref.scope["region"] == "europe-west1"


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        (None, "there is no connection 'my_cloud'"),
        ({"conn_type": "google_cloud_platform"}, "does not say which service"),
        ({"conn_type": "aws", "extra": {"job_backend": "mars"}}, "'mars' is not known"),
        ({"conn_type": "aws", "extra": {"job_target": ["q"]}}, "job_target"),
    ],
)
def test_a_connection_that_leads_nowhere_is_told(
    monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any] | None, says: str
) -> None:
    if connection is not None:
        monkeypatch.setenv("AIRFLOW_CONN_MY_CLOUD", json.dumps(connection))
    with pytest.raises(InvalidArgument) as raised:
        operator(backend=None, conn_id="my_cloud").resolve_targets()
    assert says in str(raised.value)


def test_every_template_field_is_an_attribute_and_the_job_can_be_mapped() -> None:
    made = operator()
    assert [name for name in type(made).template_fields if not hasattr(made, name)] == []
    with DAG("d", schedule=None):
        ContainerJobOperator.partial(task_id="t", image="busybox", targets=TARGETS).expand(backend=NAMES)
