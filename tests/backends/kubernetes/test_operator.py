"""What is wrong in a DAG is said when it is parsed, with the argument's name and what to write instead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_jobs.backends.kubernetes.operator import KubernetesJobOperator
from airflow_provider_jobs.backends.kubernetes.options import KubernetesOptions
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument

JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: mine}
spec:
  template:
    spec:
      containers: [{name: own, image: "python:3.12", command: [echo, "{{ ds }}"]}]
"""
FAIL_INDEX = {"rules": [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [3]}}]}


def operator(**arguments: Any) -> KubernetesJobOperator:
    """Return an operator with these arguments over ones that are right."""
    right = {"task_id": "t", "image": "busybox:1", "command": ["true"]}
    return KubernetesJobOperator(**{**right, **arguments})


def whole(**arguments: Any) -> KubernetesJobOperator:
    """Return an operator that is given a whole Job."""
    return KubernetesJobOperator(task_id="t", **arguments)


# Arguments and what the message must say.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"image": "busy box"}, r"^image: 'busy box' is not an image name"),
    ({"image": None, "command": None}, r"^image: nothing says what to run"),
    ({"array_size": 100_001}, r"^array_size: 100001 is refused"),
    ({"array_size": 2, "parallelism": 100_001}, r"^parallelism: 100001 is refused"),
    ({"spot": True}, r"^spot: Kubernetes has no word .* node_selector and tolerations"),
    ({"gpu": {"type": "nvidia-tesla-t4", "count": 1}}, r"^gpu: 'nvidia-tesla-t4' is no resource of a node"),
    ({"namespace": "My_Space"}, r"^namespace: 'My_Space' is refused\. Write at most 63"),
    ({"namespace": 3}, r"^namespace: 3 is not text"),
    ({"secrets": {"TOKEN": "geheim"}}, r"^secrets: TOKEN holds no reference to a Secret\. Write <name"),
    ({"secrets": {"TOKEN": "Ge Heim/geheim"}}, r"^secrets: TOKEN "),
    ({"labels": {"a b": "x"}}, r"^labels: 'a b' is no name of a label"),
    ({"labels": {"A.B/team": "x"}}, r"^labels: 'A\.B/team' is no name of a label"),
    ({"labels": {"team": "x" * 64}}, r"^labels: team has the value"),
    ({"labels": {"airflow-job-key": "a"}}, r"^labels: airflow-job-key is set by"),
    ({"labels": {"batch.kubernetes.io/job-name": "a"}}, r"^labels: batch\.kubernetes\.io/job-name is set"),
    ({"annotations": {"a b": "x"}}, r"^annotations: 'a b' is no name of an annotation"),
    ({"annotations": {"a": 1}}, r"^annotations: a is of type int"),
    ({"service_account": "Me"}, r"^service_account: 'Me' is refused"),
    ({"backoff_limit": -1}, r"^backoff_limit: -1 is refused"),
    ({"array_size": 2, "backoff_limit_per_index": -1}, r"^backoff_limit_per_index: -1 is refused"),
    ({"array_size": 2, "max_failed_indexes": 3}, r"^max_failed_indexes: it is 3 and there are 2 indexes"),
    ({"pod_failure_policy": {}}, r"^pod_failure_policy: it has no rules"),
    (
        {"pod_failure_policy": {"rules": [{"action": "Retry"}]}},
        r"^pod_failure_policy: .*'Retry'\. Write one of",
    ),
    (
        {"pod_failure_policy": FAIL_INDEX, "restart_policy": "OnFailure"},
        r"^restart_policy: .*need new pods\. Leave it out",
    ),
    ({"success_policy": {"rules": "0"}}, r"^success_policy: it has no rules"),
    ({"ttl_seconds_after_finished": -1}, r"^ttl_seconds_after_finished: -1 is refused"),
    ({"active_deadline_seconds": 0}, r"^active_deadline_seconds: 0 is refused"),
    ({"restart_policy": "Always"}, r"^restart_policy: 'Always' is refused"),
    ({"termination_grace_seconds": -1}, r"^termination_grace_seconds: -1 is refused"),
    ({"env_from": [{}]}, r"^env_from\.0: none of them is given\. Write exactly one of configmap, secret"),
    ({"env_from": [{"configmap": "a", "secret": "b"}]}, r"^env_from\.0: configmap and secret is given"),
    ({"env_from": [{"config_map": "a"}]}, r"^env_from\.0\.config_map"),
    ({"env_from": [{"secret": "a", "prefix": "1-"}]}, r"^env_from\.0\.prefix: '1-' is refused"),
    ({"container_resources": {"limits": {"cpu": "much"}}}, r"^container_resources\.limits: cpu is 'much'"),
    ({"container_resources": {"limit": {}}}, r"^container_resources\.limit"),
    ({"node_selector": {"disk": True}}, r"^node_selector: disk has the value True"),
    ({"tolerations": [{"keys": "a"}]}, r"^tolerations: 'keys' is no part of a toleration\. Known are key"),
    ({"tolerations": [{"key": "a", "effect": "Never"}]}, r"^tolerations: effect is 'Never'"),
    ({"tolerations": ["gpu"]}, r"^tolerations: 'gpu' is no toleration"),
    ({"affinity": "zone"}, r"^affinity: 'zone' is refused"),
    ({"volumes": [{"mount_path": "/a"}]}, r"^volumes\.0: none of them is given\. Write exactly one of pvc"),
    ({"volumes": [{"pvc": "a", "mount_path": "a"}]}, r"^volumes\.0\.mount_path: 'a' is refused"),
    ({"volumes": [{"pvc": "a"}]}, r"^volumes\.0\.mount_path: it is not given"),
    (
        {"volumes": [{"pvc": "a", "mount_path": "/a"}, {"pvc": "b", "mount_path": "/a"}]},
        r"^volumes: .*has /a twice as mount_path",
    ),
    ({"image_pull_secrets": "key"}, r"^image_pull_secrets: 'key' is refused"),
    ({"image_pull_policy": "Sometimes"}, r"^image_pull_policy: 'Sometimes' is refused"),
    ({"priority_class": "Very High"}, r"^priority_class: 'Very High' is refused"),
    ({"containers": [{"name": "a"}]}, r"^containers: a container without an image"),
    ({"containers": [{"name": "A_B", "image": "x"}]}, r"^containers: a container has the name 'A_B'"),
    ({"containers": [{"name": "main", "image": "x"}]}, r"^containers: 'main' is the name of two containers"),
    (
        {"containers": [{"name": "a", "image": "x"}], "init_containers": [{"name": "a", "image": "x"}]},
        r"^containers: .*'a' twice",
    ),
    ({"manifest": "a: ["}, r"^manifest: it is no YAML at line 1\. Write one Job"),
    ({"manifest": "a: 1\n---\nb: 2"}, r"^manifest: it holds 2 documents"),
    ({"manifest": "text"}, r"^manifest: it is no Job"),
    ({"manifest": {"kind": "CronJob"}}, r"^manifest: it is a 'CronJob' of 'batch/v1'"),
    ({"manifest": {"kind": "Job", "spec": {}}}, r"^manifest: it has no spec\.template\.spec"),
    (
        {"manifest": JOB, "template_file": "job.yaml"},
        r"^template_file: manifest and template_file are both given",
    ),
    ({"env": {"A": "x" * 140_000}}, r"^env: it is 140,000 bytes long"),
    ({"array_size": 2, "inputs": ["x" * 140_000, ""]}, r"^inputs: it is 140,002 bytes long"),
    ({"array_size": 20, "inputs": ["x" * 100_000] * 20}, r"^inputs: the Job is 2,\d\d\d,\d\d\d bytes long"),
    (
        {"native": {"spec": {"completionMode": "NonIndexed"}}, "array_size": 2},
        r"^native: completionMode is 'NonIndexed' beside backoffLimitPerIndex",
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
        {"namespace": "{{ var.value.namespace }}"},
        {"cluster_context": "{{ params.context }}"},
        {"service_account": "{{ params.account }}"},
        {"labels": {"team": "{{ params.Team }}"}},
        {"secrets": {"TOKEN": "{{ var.value.secret }}"}},
        {"array_size": "{{ params.size }}"},
        {"volumes": [{"pvc": "{{ params.claim }}", "mount_path": "/a"}]},
        {"manifest": JOB},
        {"template_file": "{{ params.file }}"},
    ],
)
def test_a_template_is_checked_only_when_it_is_rendered(arguments: dict[str, Any]) -> None:
    operator(**arguments)


def test_one_template_does_not_hide_what_is_wrong_beside_it() -> None:
    with pytest.raises(InvalidArgument, match=r"^backoff_limit: -1 is refused"):
        operator(namespace="{{ params.namespace }}", backoff_limit=-1)


def test_all_that_can_be_rendered_is_a_template_field() -> None:
    fields = {"image", "env", "kubernetes_conn_id", "namespace", "cluster_context", "template_file"}
    assert fields | set(KubernetesJobOperator.option_fields) <= set(KubernetesJobOperator.template_fields)


def test_the_options_are_the_arguments_of_the_operator_and_described_there() -> None:
    assert set(KubernetesJobOperator.option_fields) == set(KubernetesOptions.model_fields)
    documented = KubernetesJobOperator.__doc__ or ""
    arguments = [
        *KubernetesJobOperator.option_fields,
        *KubernetesJobOperator.scope_fields,
        "kubernetes_conn_id",
        "template_file",
    ]
    assert [name for name in arguments if f":param {name}:" not in documented] == []


def test_the_reference_names_namespace_and_context() -> None:
    given = operator(namespace="ml", cluster_context="west").resolve_targets()[0].ref
    assert (given.conn_id, given.scope) == (
        "kubernetes_default",
        {"namespace": "ml", "cluster_context": "west"},
    )
    assert operator().resolve_targets()[0].ref.scope == {}


def test_options_are_the_same_after_a_round_through_the_spec() -> None:
    arguments = {
        "volumes": [{"empty_dir": True, "mount_path": "/a"}],
        "container_resources": {"limits": {"cpu": 2}},
        "backoff_limit": 0,
        "suspend": False,
    }
    options = operator(**arguments).resolve_targets()[0].spec.options
    assert build_model(KubernetesOptions, options).model_dump(exclude_defaults=True) == {
        "volumes": [{"empty_dir": True, "mount_path": "/a"}],
        "container_resources": {"limits": {"cpu": "2"}},
        "backoff_limit": 0,
        "suspend": False,
    }


class TestTemplateFile:
    """A Job in a file beside the DAG file."""

    @pytest.fixture
    def dag(self, tmp_path: Path) -> DAG:
        dag = DAG("d", schedule=None, template_searchpath=[str(tmp_path)])
        (tmp_path / "job.yaml").write_text(JOB)
        return dag

    def test_it_is_read_and_rendered_when_the_task_runs(self, dag: DAG) -> None:
        task = whole(template_file="job.yaml", dag=dag)
        task.render_template_fields({"ds": "2030-01-01"})
        manifest: Any = task.resolve_targets()[0].spec.options["manifest"]
        assert manifest["spec"]["template"]["spec"]["containers"][0]["command"] == ["echo", "2030-01-01"]

    @pytest.mark.parametrize("path", ["{{ params.file }}", "{{ params.folder }}/job.yaml"])
    def test_its_path_may_be_a_template_and_absolute(self, dag: DAG, tmp_path: Path, path: str) -> None:
        task = whole(template_file=path, dag=dag)
        params = {"file": "job.yaml", "folder": str(tmp_path)}
        task.render_template_fields({"ds": "2030-01-01", "params": params})
        assert task.resolve_targets()[0].spec.options["manifest"]

    def test_it_is_rendered_for_every_mapped_task(self, dag: DAG) -> None:
        partial = KubernetesJobOperator.partial(task_id="t", template_file="job.yaml", dag=dag)
        mapped = partial.expand(env=[{"A": "1"}, {"A": "2"}])
        ti, run = SimpleNamespace(map_index=1), SimpleNamespace(conf={})
        context: Any = {"ds": "2030-01-01", "ti": ti, "dag": dag, "dag_run": run}
        mapped.render_template_fields(context)
        spec = context["task"].resolve_targets()[0].spec
        assert spec.env == {"A": "2"}
        (own,) = spec.options["manifest"]["spec"]["template"]["spec"]["containers"]
        assert own["command"] == ["echo", "2030-01-01"]

    def test_one_that_is_not_there_fails_at_parse(self, dag: DAG) -> None:
        with pytest.raises(InvalidArgument, match=r"^template_file: there is no file 'jobs\.yaml' in "):
            whole(template_file="jobs.yaml", dag=dag)

    def test_one_that_is_wrong_fails_at_parse(self, dag: DAG, tmp_path: Path) -> None:
        (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\n")
        with pytest.raises(InvalidArgument, match=r"^manifest: it is a 'Pod' of 'v1'"):
            whole(template_file="pod.yaml", dag=dag)

    def test_arguments_beside_it_are_checked_with_it(self, dag: DAG, tmp_path: Path) -> None:
        (tmp_path / "plain.yaml").write_text(JOB.replace("{{ ds }}", "x"))
        with pytest.raises(InvalidArgument, match=r"^containers: 'own' is the name of two containers"):
            whole(template_file="plain.yaml", dag=dag, containers=[{"name": "own", "image": "x"}])


def test_parsing_a_dag_imports_no_kubernetes_client() -> None:
    program = """
import sys
at_start = set(sys.modules)
from airflow_provider_jobs.operators import KubernetesJobOperator
KubernetesJobOperator(task_id="t", image="busybox", array_size=3, volumes=[{"pvc": "a", "mount_path": "/a"}])
vendors = ("kubernetes", "kubernetes_asyncio", "urllib3")
print([name for name in set(sys.modules) - at_start if name.split(".")[0] in vendors])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
