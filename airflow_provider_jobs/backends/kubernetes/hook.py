"""The calls of Kubernetes Jobs, their pods, events and logs, with Airflow's Kubernetes connection.

Every call has a deadline and is sent once: repeating is the engine's business, or the caller's. Methods on
one object return the client's own models; those named ``..._page`` and ``..._json`` return the API's plain
JSON in one call, which costs a tenth where there are many.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from kubernetes import client

from airflow_provider_jobs.backends.kubernetes import logs
from airflow_provider_jobs.backends.kubernetes.changes import ChangeStream
from airflow_provider_jobs.backends.kubernetes.connection import (
    PAGE_SIZE,
    Json,
    KubernetesConnection,
    Page,
    all_items,
)
from airflow_provider_jobs.backends.kubernetes.errors import VENDOR_EXCEPTIONS
from airflow_provider_jobs.backends.kubernetes.mapping import CANCELLED_ANNOTATION
from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.models import LogLine
from airflow_provider_jobs.hooks.base import translated

WATCH_SECONDS = 240


class KubernetesJobHook(KubernetesConnection):
    """Talks to a Kubernetes API server with a connection of type ``kubernetes``.

    Credentials are Airflow's own for Kubernetes: in-cluster, a kube config as path or JSON, the default
    kube config, and a context in it. One field of the connection's extra is added: ``job_url``, the page of a
    Job in a dashboard, with ``{namespace}`` and ``{name}`` in it.

    Every method that is defined here raises errors of :mod:`airflow_provider_jobs.core.errors` and may be
    called from several threads; those inherited from Airflow's hook keep their own ways.

    :param kubernetes_conn_id: the connection
    :param namespace: where calls go that name none; the connection's, or ``default``, where it is ``None``
    :param cluster_context: a context of its kube config
    :param deadline_seconds: how long one call may last
    """

    # Jobs

    def job_url(self, job_name: str, namespace: str | None = None) -> str | None:
        """Return the page of a Job in the platform's dashboard, where the connection names one."""
        page = str(self._get_field("job_url") or "")
        filled = page.replace("{namespace}", namespace or self.namespace).replace("{name}", job_name)
        return filled if filled.startswith(("https://", "http://")) else None

    @translated(*VENDOR_EXCEPTIONS)
    def create_job(
        self, job: client.V1Job | Json, namespace: str | None = None, **kwargs: Any
    ) -> client.V1Job:
        """Create a Job and return it as the service keeps it; a field that it does not know is refused.

        https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/#Operations

        :param namespace: the Job's own, or the hook's, where it is ``None``
        :raises AlreadyExists: there is a Job of this name
        :raises NoCapacity: a quota of the namespace refuses it
        :raises AmbiguousError: it was sent and no answer came
        """
        body = self.api_client.sanitize_for_serialization(job)
        namespace = namespace or (body.get("metadata") or {}).get("namespace") or self.namespace
        options = {"field_validation": "Strict", "_request_timeout": self.timeout, **kwargs}
        return self.batch_v1_client.create_namespaced_job(namespace=namespace, body=body, **options)

    @translated(*VENDOR_EXCEPTIONS)
    def create_job_json(self, job: Json, namespace: str | None = None) -> Json:
        """Create a Job as :meth:`create_job` does, and return it as plain JSON."""
        return self.json_of(
            self.batch_v1_client.create_namespaced_job,
            namespace or self.namespace,
            job,
            field_validation="Strict",
        )

    @translated(*VENDOR_EXCEPTIONS)
    def get_job(self, job_name: str, namespace: str | None = None) -> client.V1Job:
        """Return a Job.

        :raises NotFound: there is none
        """
        return self.batch_v1_client.read_namespaced_job(
            job_name, namespace or self.namespace, _request_timeout=self.timeout
        )

    @translated(*VENDOR_EXCEPTIONS)
    def get_job_json(self, job_name: str, namespace: str | None = None) -> Json:
        """Return a Job as plain JSON.

        :raises NotFound: there is none
        """
        return self.json_of(self.batch_v1_client.read_namespaced_job, job_name, namespace or self.namespace)

    def list_jobs(
        self,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[client.V1Job]:
        """Yield the Jobs of a namespace, page after page as they are asked for."""
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        pages = all_items(self.list_jobs_page, namespace, page_size=page_size, **selectors)
        return self.models_of("V1Job", pages)

    @translated(*VENDOR_EXCEPTIONS)
    def list_jobs_page(
        self,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = PAGE_SIZE,
        page_token: str = "",
    ) -> Page:
        """Return one page of the Jobs of a namespace as plain JSON, in one call."""
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        options = {**selectors, "limit": page_size, "_continue": page_token}
        return self.page_of(self.batch_v1_client.list_namespaced_job, namespace, options)

    @translated(*VENDOR_EXCEPTIONS)
    def patch_job(self, job_name: str, patch: Json, namespace: str | None = None) -> client.V1Job:
        """Change fields of a Job, and return it.

        :param patch: a merge patch; ``None`` removes a field
        """
        return self.batch_v1_client.patch_namespaced_job(
            job_name, namespace or self.namespace, patch, _request_timeout=self.timeout
        )

    def suspend_job(self, job_name: str, namespace: str | None = None) -> client.V1Job:
        """Suspend a Job: its pods are deleted, and none is made until it is resumed. Idempotent.

        https://kubernetes.io/docs/concepts/workloads/controllers/job/#suspending-a-job
        """
        return self.patch_job(job_name, {"spec": {"suspend": True}}, namespace)

    def resume_job(self, job_name: str, namespace: str | None = None) -> client.V1Job:
        """Let a suspended Job go on. Idempotent."""
        return self.patch_job(job_name, {"spec": {"suspend": False}}, namespace)

    def stop_job(self, job_name: str, reason: str, namespace: str | None = None) -> client.V1Job:
        """Stop a Job for good and keep its record, with the reason in an annotation. Idempotent.

        It is suspended, which deletes its pods, and gets a deadline of one second, so that nothing that
        resumes it (a person, or a queue such as Kueue) makes it run again.
        """
        patch = {
            "metadata": {"annotations": {CANCELLED_ANNOTATION: reason}},
            "spec": {"suspend": True, "activeDeadlineSeconds": 1},
        }
        return self.patch_job(job_name, patch, namespace)

    @translated(*VENDOR_EXCEPTIONS)
    def delete_job(
        self,
        job_name: str,
        namespace: str | None = None,
        *,
        propagation_policy: str = "Background",
        grace_period_seconds: int | None = None,
    ) -> None:
        """Delete a Job, and its pods with it.

        https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion

        :param propagation_policy: ``Background`` returns at once and pods go afterwards, ``Foreground`` keeps
            the Job until they are gone, ``Orphan`` leaves them
        :raises NotFound: there is none
        """
        options = client.V1DeleteOptions(
            propagation_policy=propagation_policy, grace_period_seconds=grace_period_seconds
        )
        self.json_of(
            self.batch_v1_client.delete_namespaced_job, job_name, namespace or self.namespace, body=options
        )

    # Pods, events, logs

    def list_pods(
        self,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[client.V1Pod]:
        """Yield pods, page after page as they are asked for; a Job's have the label ``job-name``."""
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        pages = all_items(self.list_pods_page, namespace, page_size=page_size, **selectors)
        return self.models_of("V1Pod", pages)

    @translated(*VENDOR_EXCEPTIONS)
    def list_pods_page(
        self,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = PAGE_SIZE,
        page_token: str = "",
    ) -> Page:
        """Return one page of pods as plain JSON, in one call."""
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        options = {**selectors, "limit": page_size, "_continue": page_token}
        return self.page_of(self.core_v1_client.list_namespaced_pod, namespace, options)

    def list_events(
        self, namespace: str | None = None, *, kind: str | None = None, name: str | None = None
    ) -> Iterator[client.CoreV1Event]:
        """Yield the events of a namespace, or of one object. The service forgets them after an hour.

        :param kind: of objects of this kind, ``"Job"`` or ``"Pod"``
        :param name: of the object of this name
        """
        return self.models_of(
            "CoreV1Event", all_items(self.list_events_page, namespace, kind=kind, name=name)
        )

    @translated(*VENDOR_EXCEPTIONS)
    def list_events_page(
        self,
        namespace: str | None = None,
        *,
        kind: str | None = None,
        name: str | None = None,
        page_size: int = PAGE_SIZE,
        page_token: str = "",
    ) -> Page:
        """Return one page of events as plain JSON, in one call."""
        wanted = {"involvedObject.kind": kind, "involvedObject.name": name}
        selector = ",".join(f"{field}={value}" for field, value in wanted.items() if value)
        options = {"field_selector": selector, "limit": page_size, "_continue": page_token}
        return self.page_of(self.core_v1_client.list_namespaced_event, namespace, options)

    @translated(*VENDOR_EXCEPTIONS)
    def read_pod_log(
        self,
        pod_name: str,
        namespace: str | None = None,
        *,
        container: str | None = None,
        since_time: str | None = None,
        limit_bytes: int | None = None,
        previous: bool = False,
        timestamps: bool = False,
    ) -> bytes:
        """Return what a container has written so far.

        https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod

        :param since_time: from this time on, RFC 3339; the service reads whole seconds
        :param previous: of the container before its last restart
        :raises InvalidRequest: the container has not started yet
        :raises NotFound: there is no such pod
        """
        query = {
            "container": container,
            "sinceTime": since_time,
            "limitBytes": limit_bytes,
            "previous": "true" if previous else None,
            "timestamps": "true" if timestamps else None,
        }
        # The client's own method for logs knows no sinceTime, and hands out the text of a bytes object.
        answer = self.api_client.call_api(
            "/api/v1/namespaces/{namespace}/pods/{name}/log",
            "GET",
            {"namespace": namespace or self.namespace, "name": pod_name},
            [(name, value) for name, value in query.items() if value is not None],
            {"Accept": "text/plain, application/json"},
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=self.timeout,
        )
        return bytes(answer.data)

    def read_logs(
        self, job_name: str, namespace: str | None = None, index: int | None = None
    ) -> list[LogLine]:
        """Return the log of a Job so far, of all its pods and containers, oldest line first.

        :param index: of this index alone, ``None`` for all
        """
        found: list[LogLine] = []
        pods = all_items(self.list_pods_page, namespace, label_selector=f"job-name={job_name}")
        for stream in logs.streams_of(list(pods)):
            if index in (None, stream.index):
                text = self.read_pod_log(
                    stream.pod,
                    namespace,
                    container=stream.container,
                    previous=stream.is_previous,
                    timestamps=True,
                )
                found += [stream.line(entry) for entry in logs.entries_of(text)]
        return sorted(found, key=lambda line: line.timestamp)

    # Watching

    def watch_jobs(
        self, namespace: str | None = None, *, timeout_seconds: int = WATCH_SECONDS, **options: Any
    ) -> Iterator[tuple[str, Any]]:
        """Yield changes of Jobs as ``("ADDED" | "MODIFIED" | "DELETED", job)`` until the time is up.

        Needs the right to ``watch``, which only watches do.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

        :param options: ``label_selector``, ``field_selector``; ``resource_version`` of a list, to go on from
            there (without it what exists comes first, as ADDED); ``allow_watch_bookmarks``, for
            ``("BOOKMARK", json)`` that tell how far the watch is
        :raises ResourceVersionExpired: the version is too old: list again
        :raises UnavailableError: the connection broke off; go on from the last version
        """
        begin = partial(self.watch_jobs_json, namespace, timeout_seconds=timeout_seconds, **options)
        return self.changes_of("V1Job", begin)

    def watch_jobs_json(
        self, namespace: str | None = None, *, timeout_seconds: int = WATCH_SECONDS, **options: Any
    ) -> ChangeStream:
        """Begin what :meth:`watch_jobs` yields, as plain JSON, and to be ended from another thread."""
        return self.watch_of(self.batch_v1_client.list_namespaced_job, namespace, timeout_seconds, options)

    def watch_pods(
        self, namespace: str | None = None, *, timeout_seconds: int = WATCH_SECONDS, **options: Any
    ) -> Iterator[tuple[str, Any]]:
        """Yield changes of pods, as :meth:`watch_jobs` does of Jobs."""
        call = self.core_v1_client.list_namespaced_pod
        return self.changes_of("V1Pod", partial(self.watch_of, call, namespace, timeout_seconds, options))

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the Jobs of the connection's namespace can be listed, and what was found."""
        try:
            self.list_jobs_page(page_size=1)
            host = self.api_client.configuration.host
        except JobsError as error:
            return False, str(error)
        return True, f"Jobs of namespace {self.namespace} at {host} can be listed"
