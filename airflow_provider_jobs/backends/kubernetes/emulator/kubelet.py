"""The node's agent: runs the containers of bound pods on the engine and reports their status.

It exists to turn what the engine does with a pod's tasks into the pod's status, and deletions of pods into
ends of tasks. A pod is one job of the engine; its containers are the tasks, in the order of the spec, init
containers last. It must not decide where a pod runs or whether it is replaced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from airflow_provider_jobs.backends.kubernetes.emulator.disruptions import DISRUPTIONS, Disruption
from airflow_provider_jobs.backends.kubernetes.emulator.events import KUBELET, Recorder
from airflow_provider_jobs.backends.kubernetes.emulator.objects import Objects
from airflow_provider_jobs.backends.kubernetes.emulator.pod_run import DIALECT, PodRun, job_name
from airflow_provider_jobs.backends.kubernetes.emulator.pod_status import FAILED, last_phase, status
from airflow_provider_jobs.backends.kubernetes.emulator.resources import (
    CLAIMS,
    CONFIG_MAPS,
    PODS,
    SECRETS,
)
from airflow_provider_jobs.backends.kubernetes.emulator.settings import NODE, ClusterSettings
from airflow_provider_jobs.backends.kubernetes.emulator.starting import Starting
from airflow_provider_jobs.backends.kubernetes.emulator.store import Change, Object
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import (
    END_STATES,
    AttemptEnd,
    EndReason,
    Event,
    Job,
    JobSpec,
    JobState,
    Task,
    TaskState,
)

_KILLED, _TERMINATED = 137, 143


class Kubelet:
    """The agent of the one node. It is the engine's listener for every pod."""

    def __init__(
        self, cloud: Cloud, objects: Objects, *, recorder: Recorder, settings: ClusterSettings
    ) -> None:
        self._cloud = cloud
        self._objects = objects
        self._recorder = recorder
        self._runs: dict[str, PodRun] = {}
        self._dirty: dict[str, PodRun] = {}
        self._starting = Starting(
            cloud, objects.store, recorder=recorder, settings=settings, changed=self._mark
        )
        self._bound: Callable[[Object], Object | None] = lambda pod: pod
        objects.store.listen(self._changed)

    def on_scheduled(self, bind: Callable[[Object], Object | None]) -> None:
        """Call this to bind a pod once the engine has scheduled it."""
        self._bound = bind

    def clear(self) -> None:
        for run in self._runs.values():
            run.close()
        self._runs.clear()
        self._dirty.clear()

    def admit(self, pod: Object) -> None:
        """Hand a pod to the engine; it is bound when the engine has scheduled it."""
        run = PodRun(pod)
        self._runs[pod.uid] = run
        starting = self._starting
        spec = JobSpec(
            dialect=DIALECT,
            name=job_name(pod),
            uid=pod.uid,
            task_count=len(run.containers),
            parallelism=len(run.containers),
            plan=lambda index, _attempt: starting.plan(run, index),
            retry=lambda _end, _attempt: False,
            again=lambda index, _attempt, _end: self._again(run, index),
            gate=lambda index, attempt: starting.gate(run, index, attempt=attempt),
            listener=self,
            one_slot=True,
            images=tuple(dict.fromkeys(each.spec["image"] for each in run.containers)),
        )
        run.job = self._cloud.submit(spec, data=run)

    def disrupt(self, pod: Object, disruption: Disruption) -> None:
        """Take a pod off the node for a reason that is not its own."""
        run = self._runs.get(pod.uid)
        if run is not None and run.view is not None:
            run.view.disruption = disruption.condition(run.view.generation)
            if disruption.phase_reason:
                run.view.reason, run.view.message = disruption.phase_reason, disruption.message
            self._flush(run)
            self._stop(run)
        if disruption.deletes:
            found = self._objects.store.get(PODS, pod.key)
            if found is not None and found.uid == pod.uid:
                self._objects.delete(PODS, found)

    def job_changed(self, job: Job, event: Event) -> None:
        """The engine has taken a pod a step further."""
        run: PodRun = job.data
        if event.after is JobState.SCHEDULED:
            pod = self._objects.store.get(PODS, run.key)
            bound = self._bound(pod) if pod is not None and pod.uid == run.uid else None
            if bound is not None:
                self._begin(run, bound)
        elif event.after in END_STATES:
            self._ended(run)
        elif event.after is JobState.DELETING and not run.removing:
            # Somebody removed it from the engine: to the cluster it is a pod deleted by force.
            run.removing = True
            run.lost = True
            asyncio.get_running_loop().call_soon(self._vanish, run)

    def _begin(self, run: PodRun, pod: Object) -> None:
        run.begin(pod)
        for each in run.containers:
            each.wait("PodInitializing" if run.has_init else "ContainerCreating")
        deadline = pod["spec"].get("activeDeadlineSeconds")
        if deadline is not None:
            run.timer = asyncio.get_running_loop().call_later(deadline, self._overdue, run)
        self._mark(run)

    def _overdue(self, run: PodRun) -> None:
        """A pod's own deadline is over."""
        if run.view is not None:
            run.view.reason = "DeadlineExceeded"
            run.view.message = "Pod was active on the node longer than the specified deadline"
        self._stop(run)

    def _stop(self, run: PodRun) -> None:
        """End whatever runs of a pod, with grace."""
        if run.stopping or run.job is None or run.job.ended:
            return
        run.stopping = True
        pod = self._objects.store.get(PODS, run.key)
        for each in run.containers:
            if each.running and pod is not None:
                self._event(pod, each.field_path, reason="Killing", message=f"Stopping container {each.name}")
        self._cloud.cancel(run.job)

    def task_changed(self, job: Job, task: Task, event: Event) -> None:
        """The engine has taken a container a step further."""
        run: PodRun = job.data
        container = run.containers[task.index]
        pod = self._objects.store.get(PODS, run.key)
        if event.after is TaskState.RUNNING:
            container.run()
            if pod is not None:
                self._event(pod, container.field_path, reason="Created", message="Container created")
                self._event(pod, container.field_path, reason="Started", message="Container started")
        elif event.end is not None:
            self._container_ended(run, task.index, end=event.end)
        elif event.after is TaskState.PENDING:
            container.restart()
        run.tell()
        self._mark(run)

    def _container_ended(self, run: PodRun, index: int, *, end: AttemptEnd) -> None:
        container = run.containers[index]
        if end.reason is EndReason.REFUSED and not end.exit_code:
            return
        if end.reason is EndReason.REFUSED:
            container.terminate(end.exit_code, "StartError", message=end.message)
        elif container.running:
            code = _exit_code(end)
            told = "OOMKilled" if end.reason is EndReason.OUT_OF_MEMORY else "Error" if code else "Completed"
            message = self._starting.last_lines(run, index) if code else ""
            container.terminate(code, told, message=message)
        disruption = DISRUPTIONS.get(end.reason)
        if disruption is not None and not run.stopping:
            run.doomed = True
            asyncio.get_running_loop().call_soon(self._disrupt_run, run, disruption)
        elif end.reason is EndReason.TIMED_OUT:
            run.doomed = True
            asyncio.get_running_loop().call_soon(self._overdue, run)

    def _disrupt_run(self, run: PodRun, disruption: Disruption) -> None:
        pod = self._objects.store.get(PODS, run.key)
        if pod is not None and pod.uid == run.uid:
            self.disrupt(pod, disruption)

    async def _again(self, run: PodRun, index: int) -> bool:
        """Whether a container that has ended runs again."""
        container = run.containers[index]
        if run.stopping or run.doomed:
            return False
        policy = run.pod["spec"]["restartPolicy"]
        if container.sidecar:
            again = not run.main_over
        elif container.succeeded:
            again = policy == "Always" and not container.init
        else:
            again = policy != "Never"
        if not again:
            container.gone = True
            run.tell()
            if run.main_over or run.failed_to_initialize:
                self._end_sidecars(run)
        return again

    def _end_sidecars(self, run: PodRun) -> None:
        """Nothing is left to be beside of."""
        assert run.job is not None
        for each in run.containers:
            if each.sidecar and not each.gone:
                each.gone = True
                self._cloud.interrupt(run.job, each.index, reason=EndReason.CANCELLED)

    def _ended(self, run: PodRun) -> None:
        """All containers have ended: say how, and let go of a pod that is being deleted."""
        if run.lost:
            return
        if run.view is not None:
            run.view.phase = last_phase(run.view)
            self._flush(run)
        run.close()
        pod = self._objects.store.get(PODS, run.key)
        if pod is not None and pod.uid == run.uid and "deletionTimestamp" in pod.meta:
            self._finish_deletion(pod)

    def _finish_deletion(self, pod: Object) -> None:
        self._objects.write(PODS, pod.with_meta(deletionGracePeriodSeconds=0))

    def _vanish(self, run: PodRun) -> None:
        if run.view is not None:
            run.view.phase = FAILED
            self._flush(run)
        pod = self._objects.store.get(PODS, run.key)
        if pod is not None and pod.uid == run.uid:
            self._objects.delete(PODS, pod, grace=0)

    def _changed(self, change: Change) -> None:
        """A pod was changed by others: deleted, or gone."""
        if change.kind in (CONFIG_MAPS, SECRETS, CLAIMS):
            self._starting.look_again()
        if change.kind is not PODS:
            return
        run = self._runs.get(change.after.uid)
        if run is None:
            return
        if change.type == "DELETED":
            del self._runs[run.uid]
            self._dirty.pop(run.uid, None)
            self._forget(run)
        else:
            run.pod = change.after
            if "deletionTimestamp" in change.after.meta and not run.ended:
                asyncio.get_running_loop().call_soon(self._stop, run)

    def _forget(self, run: PodRun) -> None:
        """The pod is gone: nothing of it stays in the engine."""
        run.close()
        if run.job is not None and not run.removing:
            run.removing = True
            run.lost = True
            self._cloud.remove(run.job)

    def _mark(self, run: PodRun) -> None:
        """Write the status soon; what happens at once is written at once."""
        if run.view is None or run.uid not in self._runs:
            return
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush_all)
        self._dirty[run.uid] = run

    def _flush_all(self) -> None:
        waiting, self._dirty = self._dirty, {}
        for run in waiting.values():
            self._flush(run)

    def _flush(self, run: PodRun) -> None:
        pod = self._objects.store.get(PODS, run.key)
        if pod is not None and pod.uid == run.uid and run.view is not None:
            run.view.generation = pod.meta.get("generation", 1)
            run.pod = self._objects.update_status(PODS, pod, status=status(run.view))

    def _event(self, pod: Object, field: str, *, reason: str, message: str) -> None:
        self._recorder.normal(
            PODS, pod, reason=reason, message=message, source=KUBELET, host=NODE, field=field
        )


def _exit_code(end: AttemptEnd) -> int:
    """The code that a runtime reports: 128 and the signal's number for a command that a signal ended."""
    if end.reason is EndReason.OUT_OF_MEMORY:
        return _KILLED
    code = end.exit_code if end.reason is EndReason.EXITED else end.last_code
    if code is None:
        return _TERMINATED
    return code if code >= 0 else 128 - code
