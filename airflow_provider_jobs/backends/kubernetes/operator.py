"""The task that runs a Kubernetes Job: the vendor's own arguments beside the portable ones.

Imports no Kubernetes package: DAG files are parsed all the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.operators.arguments import JobModels
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.operators.templates import TemplateFields, holds_template

# Stands for a Job that is known only when the task runs.
_UNKNOWN = "{{ template_file }}"
_SCOPE = ("namespace", "cluster_context")
_OPTIONS = (
    "manifest",
    "service_account",
    "backoff_limit",
    "backoff_limit_per_index",
    "max_failed_indexes",
    "pod_failure_policy",
    "success_policy",
    "ttl_seconds_after_finished",
    "active_deadline_seconds",
    "suspend",
    "restart_policy",
    "termination_grace_seconds",
    "env_from",
    "container_resources",
    "node_selector",
    "tolerations",
    "affinity",
    "volumes",
    "security_context",
    "pod_security_context",
    "image_pull_secrets",
    "image_pull_policy",
    "priority_class",
    "annotations",
    "containers",
    "init_containers",
)


class KubernetesJobOperator(JobOperator):
    """Runs a Kubernetes Job; with ``array_size`` above 1 an Indexed Job, one pod of it per index.

    A Job may also be given whole, as ``manifest`` or ``template_file``; the other arguments are laid on it,
    those of a container on its first one. Its name is the provider's in every case. ``secrets`` are
    references ``"<name of the Secret>/<key>"``. Read more:
    https://kubernetes.io/docs/concepts/workloads/controllers/job/

    :param kubernetes_conn_id: the connection, of type ``kubernetes``
    :param namespace: where the Job runs; the connection's if not given, or ``default``
    :param cluster_context: a context of the connection's kube config; the connection's if not given
    :param manifest: a Job of ``batch/v1`` as a dict or as YAML
    :param template_file: the path of such YAML, from the DAG file or a ``template_searchpath`` or absolute;
        read when the task runs, its Jinja rendered
    :param service_account: whom the pods act as
    :param backoff_limit: how many failed pods the service itself replaces; 0 if not given
    :param backoff_limit_per_index: the same for every index of an array; 0 if not given, so that an index
        that fails leaves the others running
    :param max_failed_indexes: with more failed indexes than this the Job ends at once
    :param pod_failure_policy: which failures end the Job or an index, count, or do not:
        ``{"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}``
    :param success_policy: which indexes are enough: ``{"rules": [{"succeededIndexes": "0"}]}``
    :param ttl_seconds_after_finished: how long after its end the service deletes the Job
    :param active_deadline_seconds: how long the whole Job may be active; ``max_run_seconds`` is for each pod
    :param suspend: create it suspended, for a queue such as Kueue or for a person to resume
    :param restart_policy: ``"Never"`` (a new pod), or ``"OnFailure"`` (the container again in its pod)
    :param termination_grace_seconds: how long a pod that is stopped may take
    :param env_from: variables from a ConfigMap or a Secret: ``[{"configmap": "settings"}, {"secret": "keys",
        "prefix": "KEY_"}]``
    :param container_resources: where requests and limits differ from ``cpu`` and ``memory``, or for further
        resources: ``{"requests": {"cpu": "500m"}, "limits": {"cpu": 2, "ephemeral-storage": "10Gi"}}``
    :param node_selector: labels of the nodes, ``{"kubernetes.io/arch": "amd64"}``
    :param tolerations: taints that the pods stand, ``[{"key": "gpu", "operator": "Exists"}]``
    :param affinity: the pod's affinity, in the words of the API
    :param volumes: volumes with their place in the job's container, each ``mount_path`` with one of ``pvc``,
        ``configmap``, ``secret``, ``empty_dir``, ``host_path`` or ``source`` (any other, in the words of the
        API), and ``name``, ``sub_path``, ``read_only``: ``[{"pvc": "data", "mount_path": "/data"}]``
    :param security_context: of the job's container, in the words of the API
    :param pod_security_context: of the pod, in the words of the API
    :param image_pull_secrets: names of Secrets for private registries
    :param image_pull_policy: ``"Always"``, ``"IfNotPresent"`` or ``"Never"``
    :param priority_class: the pods' priority class
    :param annotations: of the Job and its pods
    :param containers: further containers beside the job's own, in the words of the API
    :param init_containers: containers that run before; with ``"restartPolicy": "Always"`` beside it
    """

    backend = "kubernetes"
    conn_id_field = "kubernetes_conn_id"
    scope_fields = _SCOPE
    option_fields = _OPTIONS
    template_fields = TemplateFields(
        *JobOperator.template_fields,
        "kubernetes_conn_id",
        "template_file",
        *_SCOPE,
        *_OPTIONS,
    )

    def __init__(  # noqa: PLR0913 - these are the words of the service
        self,
        *,
        kubernetes_conn_id: str = "kubernetes_default",
        namespace: str | None = None,
        cluster_context: str | None = None,
        manifest: str | Mapping[str, Any] | None = None,
        template_file: str | None = None,
        service_account: str | None = None,
        backoff_limit: int | None = None,
        backoff_limit_per_index: int | None = None,
        max_failed_indexes: int | None = None,
        pod_failure_policy: Mapping[str, Any] | None = None,
        success_policy: Mapping[str, Any] | None = None,
        ttl_seconds_after_finished: int | None = None,
        active_deadline_seconds: int | None = None,
        suspend: bool | None = None,
        restart_policy: str | None = None,
        termination_grace_seconds: int | None = None,
        env_from: Sequence[Mapping[str, Any]] | None = None,
        container_resources: Mapping[str, Mapping[str, Any]] | None = None,
        node_selector: Mapping[str, str] | None = None,
        tolerations: Sequence[Mapping[str, Any]] | None = None,
        affinity: Mapping[str, Any] | None = None,
        volumes: Sequence[Mapping[str, Any]] | None = None,
        security_context: Mapping[str, Any] | None = None,
        pod_security_context: Mapping[str, Any] | None = None,
        image_pull_secrets: Sequence[str] | None = None,
        image_pull_policy: str | None = None,
        priority_class: str | None = None,
        annotations: Mapping[str, str] | None = None,
        containers: Sequence[Mapping[str, Any]] | None = None,
        init_containers: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kubernetes_conn_id = kubernetes_conn_id
        self.namespace = namespace
        self.cluster_context = cluster_context
        self.manifest = manifest
        self.template_file = template_file
        self.service_account = service_account
        self.backoff_limit = backoff_limit
        self.backoff_limit_per_index = backoff_limit_per_index
        self.max_failed_indexes = max_failed_indexes
        self.pod_failure_policy = pod_failure_policy
        self.success_policy = success_policy
        self.ttl_seconds_after_finished = ttl_seconds_after_finished
        self.active_deadline_seconds = active_deadline_seconds
        self.suspend = suspend
        self.restart_policy = restart_policy
        self.termination_grace_seconds = termination_grace_seconds
        self.env_from = env_from
        self.container_resources = container_resources
        self.node_selector = node_selector
        self.tolerations = tolerations
        self.affinity = affinity
        self.volumes = volumes
        self.security_context = security_context
        self.pod_security_context = pod_security_context
        self.image_pull_secrets = image_pull_secrets
        self.image_pull_policy = image_pull_policy
        self.priority_class = priority_class
        self.annotations = annotations
        self.containers = containers
        self.init_containers = init_containers
        self.check_arguments()

    @classmethod
    def models(cls) -> JobModels:
        """Return what Kubernetes asks of the arguments."""
        from airflow_provider_jobs.backends.kubernetes.options import (
            KubernetesOptions,
            KubernetesRules,
            KubernetesScope,
        )

        return JobModels(KubernetesOptions, KubernetesScope, KubernetesRules)

    @classmethod
    def check_spec(cls, spec: JobSpec) -> None:
        """Write the whole Job as a trial.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        from airflow_provider_jobs.backends.kubernetes.request import build_job

        build_job(spec, JobKey(dag_id="dag", run_id="run", task_id="task"))

    def check_arguments(self) -> None:
        """Check what every operator checks, with the Job of the template file where it can be read already.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        if self.manifest is not None and self.template_file is not None:
            raise InvalidArgument(
                "template_file", "manifest and template_file are both given", remedy="Write one of them"
            )
        super().check_arguments()

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Any, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        """Render the arguments, and then the Job of the template file; mapped tasks pass through here too.

        :raises InvalidArgument: there is no such file
        """
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        if parent is self and self.template_file is not None:
            self.manifest = self.render_template(self._template_text(), context, jinja_env)

    def _values(self, names: tuple[str, ...]) -> dict[str, object]:
        values = super()._values(names)
        if self.template_file is not None and self.manifest is None and "manifest" in values:
            values["manifest"] = self._template_text()
        return values

    def _template_text(self) -> str:
        """Return what stands in the template file, or a template where that is not known yet."""
        path = self.template_file
        if not isinstance(path, str) or holds_template(path):
            return _UNKNOWN
        places = [Path()]
        if dag := self.get_dag():
            places = [Path(place) for place in (dag.folder, *_listed(dag.template_searchpath))]
        for place in places:
            if (file := place / path).is_file():
                return file.read_text(encoding="utf-8")
        if dag is None:
            return _UNKNOWN
        raise InvalidArgument(
            "template_file",
            f"there is no file {path!r} in {' or '.join(map(str, places))}",
            remedy="Write its path from the DAG file, from a template_searchpath, or an absolute one",
        )


def _listed(paths: str | Iterable[str] | None) -> Iterable[str]:
    return [paths] if isinstance(paths, str) else (paths or ())
