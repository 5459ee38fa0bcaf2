"""Kubernetes Jobs behind the cut: one method per promise of the interface in ``core.backend``.

It only joins the hook's calls with the pure modules beside it; it never sleeps, repeats or logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pendulum

from airflow_provider_jobs.backends.kubernetes import mapping, request
from airflow_provider_jobs.backends.kubernetes.explain import Explainer
from airflow_provider_jobs.backends.kubernetes.hook import KubernetesJobHook
from airflow_provider_jobs.backends.kubernetes.informer import JobInformer
from airflow_provider_jobs.backends.kubernetes.log_reader import LogReader
from airflow_provider_jobs.backends.kubernetes.lookup import JobLookup
from airflow_provider_jobs.backends.kubernetes.options import KubernetesScope
from airflow_provider_jobs.backends.kubernetes.pod_lists import MAX_SELECTED
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.backend import Limits
from airflow_provider_jobs.core.errors import AccessDenied, AlreadyExists, NotFound, TransientError
from airflow_provider_jobs.core.identity import STAMP_LABEL, JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport, LogCursor, LogPage
from airflow_provider_jobs.core.spec import JobSpec

Json = dict[str, Any]


class KubernetesBackend:
    """Kubernetes Jobs in one namespace.

    Makes no call before the first method; the connection is read at once.

    :param ref: its scope may hold ``namespace`` (the connection's otherwise) and ``cluster_context``
    :raises InvalidArgument: the scope is wrong, or there is no such connection
    """

    # Every container's log is a call of its own, so those of a large array take some reads after its end.
    # None is late: a runtime tells of a container's end only when all of its output is in the file (see
    # handleContainerExit of containerd, drain_stdio of CRI-O's conmon), and the service, from 1.31 on, of a
    # Job's end only when its pods have ended:
    # https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions
    limits = Limits(
        describe_chunk=MAX_SELECTED,
        describe_floor_seconds=1.0,
        logs_floor_seconds=1.0,
        late_logs_seconds=120.0,
        quiet_logs_seconds=0.0,
    )

    def __init__(self, ref: BackendRef) -> None:
        scope = build_model(KubernetesScope, ref.scope)
        self.ref = ref
        self.hook = KubernetesJobHook(
            ref.conn_id, namespace=scope.namespace, cluster_context=scope.cluster_context
        )
        self._informer = JobInformer(self.hook)
        self._lookup = JobLookup(self.hook, self._informer.known)
        self._logs = LogReader(self.hook)
        self._explainer = Explainer(self.hook)

    def submit(self, spec: JobSpec, key: JobKey) -> JobHandle:
        """Create the Job; one of the same key that exists is returned as it is.

        :raises AlreadyExists: a Job of this name exists that is not this key's
        :raises AmbiguousError: sent, and the answer never came
        :raises InvalidArgument: the spec holds what the service would refuse
        :raises NoCapacity: a quota of the namespace refuses it
        """
        job = request.build_job(spec, key, namespace=self.hook.namespace)
        try:
            made = self.hook.create_job_json(job)
        except AlreadyExists as error:
            found = self._get(key)
            if found is None or found["metadata"].get("deletionTimestamp"):
                raise TransientError(
                    f"a Job {request.name_of(key)} stood in the way and is being deleted",
                    advice="Submit again",
                    call="create_job",
                ) from error
            made = found
        return self._handle(made, key)

    def find(self, key: JobKey) -> JobHandle | None:
        """Return the Job of this key in any state, or ``None``.

        :raises AlreadyExists: a Job of its name exists that is not this key's
        """
        job = self._get(key)
        return self._handle(job, key) if job else None

    def describe(self, handles: Sequence[JobHandle]) -> list[JobReport]:
        """Return one report for every handle, in their order.

        Jobs that :meth:`watch` tells of cost no call. Of others, up to three are read one by one, more with
        one list. Pods are read once in the life of a Job, when it has begun to run, and once more where it
        has failed; without the right to read pods, times and failures are what the Job alone tells.
        """
        jobs = self._lookup.jobs(handles)
        started = self._lookup.started(handles, jobs)
        return [
            self._report(handle, jobs.get(handle.native_id), started.get(handle.native_id))
            for handle in handles
        ]

    def watch(self) -> Iterator[list[str]]:
        """Yield native ids of Jobs of the namespace that may have changed: see :meth:`JobInformer.watch`.

        :raises AccessDenied: Jobs may not be watched, or not be listed
        :raises TransientError: the connection broke off, or was silent for too long
        """
        return self._informer.watch()

    def stop_watching(self) -> None:
        """End :meth:`watch` from another thread. Idempotent."""
        self._informer.stop()

    def cancel(self, handle: JobHandle, reason: str) -> None:
        """Stop the Job and keep its record; where it may not be changed, delete it.

        A Job that has ended is left as it ended. How it is stopped: :meth:`KubernetesJobHook.stop_job`.
        """
        job = self._lookup.job(handle)
        if job is None or mapping.is_over(job) or mapping.is_leaving(job):
            return
        try:
            self.hook.stop_job(handle.name, reason)
        except NotFound:
            return
        except AccessDenied:
            # The right to change Jobs may be missing where that to delete them is there.
            self.delete(handle)

    def delete(self, handle: JobHandle) -> None:
        """Delete the Job; its pods go after it."""
        try:
            self.hook.delete_job(handle.name)
        except NotFound:
            return

    def read_logs(self, cursors: Sequence[LogCursor]) -> list[LogPage]:
        """Return the next lines of every job, of all its pods and containers that can be read now."""
        return self._logs.read(cursors)

    def explain(self, handle: JobHandle) -> str | None:
        """Return why the Job is not running yet.

        :raises NotFound: it is gone
        """
        return self._explainer.explain(handle)

    def _get(self, key: JobKey) -> Json | None:
        try:
            return self.hook.get_job_json(request.name_of(key))
        except NotFound:
            return None

    def _handle(self, job: Json, key: JobKey) -> JobHandle:
        """Return the handle of a Job that must be this key's."""
        name, namespace = request.name_of(key), self.hook.namespace
        if (job["metadata"].get("labels") or {}).get(request.KEY_LABEL) != key.digest:
            raise AlreadyExists(
                f"Job {name} in namespace {namespace} exists and was not made for this task",
                advice="Delete it, or set [airflow_provider_jobs] deployment to a name of this Airflow's own",
            )
        scope = {**self.ref.scope, "namespace": namespace}
        return JobHandle(
            ref=self.ref.model_copy(update={"scope": scope}),
            native_id=f"{namespace}/{name}",
            name=name,
            size=request.task_count(job),
            indexes=request.index_map(job),
            submitted_at=mapping.created_at(job),
            console_url=self.hook.job_url(name),
            stamp=job["metadata"]["labels"].get(STAMP_LABEL, ""),
            cancel_command=self._cancel_command(name),
        )

    def _cancel_command(self, name: str) -> str:
        """Return what a person types to stop a Job; https://kubernetes.io/docs/reference/kubectl/"""
        context = self.ref.scope.get("cluster_context")
        at = f" --context {context}" if context else ""
        return f"kubectl delete job {name} --namespace {self.hook.namespace}{at}"

    def _report(self, handle: JobHandle, job: Json | None, began: pendulum.DateTime | None) -> JobReport:
        if job is None:
            return JobReport(native_id=handle.native_id, found=False)
        ended = mapping.ended_at(job)
        return JobReport(
            native_id=handle.native_id,
            state=mapping.job_state(job),
            native_state=mapping.word(job),
            detail=mapping.detail(job),
            array=mapping.counts(job, handle),
            failures=self._lookup.failures(handle, job) if mapping.has_failed(job) else (),
            # The clock of a node may be a little ahead of the service's.
            started_at=min(began, ended) if began and ended else began,
            ended_at=ended,
            cancelling=mapping.is_leaving(job),
            vcpus=mapping.given(job, "cpu") if ended else None,
            memory_mib=mapping.given(job, "memory", unit=mapping.MIB) if ended else None,
        )
