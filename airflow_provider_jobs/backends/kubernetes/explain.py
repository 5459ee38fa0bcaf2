"""Why a Job does not run yet, from what the service says about it, its pods and its events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from airflow_provider_jobs.backends.kubernetes import mapping
from airflow_provider_jobs.backends.kubernetes.connection import all_items
from airflow_provider_jobs.backends.kubernetes.hook import KubernetesJobHook
from airflow_provider_jobs.backends.kubernetes.pod_lists import selector
from airflow_provider_jobs.backends.kubernetes.pods import container_statuses, of_latest_owner
from airflow_provider_jobs.core.errors import AccessDenied
from airflow_provider_jobs.core.explanations import explanation
from airflow_provider_jobs.core.models import JobHandle

Json = dict[str, Any]

_REGISTRY = "Check the image's name and tag, and image_pull_secrets where its registry is private"
_CONFIGURATION = "Create the Secret, ConfigMap or key that the pod names, or correct the name"
_START = "Check command, security_context and volumes"

# Why a container waits, and what to do; an empty advice is nothing to worry about:
# https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/types.go
# https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/container/sync_result.go
WAITING: dict[str, str] = {
    "ContainerCreating": "",
    "PodInitializing": "",
    "ErrImagePull": _REGISTRY,
    "ImagePullBackOff": _REGISTRY,
    "InvalidImageName": _REGISTRY,
    "ImageInspectError": "The node cannot read the image; ask whoever keeps the nodes",
    "ErrImageNeverPull": "The image is not on the node; choose another image_pull_policy than 'Never'",
    "RegistryUnavailable": "The registry is out of reach of the node; check its address and the network",
    "SignatureValidationFailed": "A policy asks for a signed image; sign it, or use another",
    "CreateContainerConfigError": _CONFIGURATION,
    "CreateContainerError": _START,
    "RunContainerError": _START,
    "PreStartHookError": _START,
    "PreCreateHookError": _START,
    "PostStartHookError": _START,
    "CrashLoopBackOff": "The container ends and is started again with growing pauses; read its log",
}

_LESS = "Ask for less cpu and memory, wait for other pods to end, or let the cluster grow"
# What the scheduler says, in the order in which it is tried:
# https://kubernetes.io/docs/tasks/debug/debug-application/debug-pods/
_SCHEDULER: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"persistentvolumeclaim \"?([\w.-]+)\"? not found|unbound .*PersistentVolumeClaims?",
            re.IGNORECASE,
        ),
        "Create the PersistentVolumeClaim, or find out with kubectl describe pvc why it is not bound",
    ),
    (
        re.compile(r"volume node affinity conflict", re.IGNORECASE),
        "The volume lies in another zone than the nodes; let the nodes, or the volume, move",
    ),
    (
        re.compile(r"Insufficient [\w.-]+/[\w.-]+", re.IGNORECASE),
        "No node has that accelerator free; check gpu, wait, or let the node pool grow",
    ),
    (re.compile(r"Insufficient|Too many pods", re.IGNORECASE), _LESS),
    (
        re.compile(r"didn't match Pod's node affinity/selector|node\(s\) didn't match", re.IGNORECASE),
        "No node has what node_selector and affinity ask for; compare with kubectl get nodes --show-labels",
    ),
    (
        re.compile(r"untolerated taint|had taint", re.IGNORECASE),
        "The nodes are kept for others by a taint; add it to tolerations, or choose other nodes",
    ),
)

# Why the service could not make a pod at all.
_NO_POD: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"exceeded quota", re.IGNORECASE),
        "A ResourceQuota of the namespace is used up: wait, use less, or ask for more",
    ),
    (
        re.compile(r"must specify (limits|requests)|failed quota", re.IGNORECASE),
        "A ResourceQuota asks for limits: give cpu and memory",
    ),
    (
        re.compile(r"serviceaccount .*not found|error looking up service account", re.IGNORECASE),
        "Create the service account in the namespace, or correct service_account",
    ),
    (
        re.compile(r"violates PodSecurity", re.IGNORECASE),
        "The namespace asks for safer pods: set security_context and pod_security_context as it says",
    ),
    (
        re.compile(r"no PriorityClass", re.IGNORECASE),
        "Create the priority class, or correct priority_class",
    ),
    (
        re.compile(r"(maximum|minimum) (cpu|memory)|LimitRange", re.IGNORECASE),
        "A LimitRange of the namespace bounds cpu and memory: ask for what it allows",
    ),
    (
        re.compile(r"admission webhook", re.IGNORECASE),
        "A policy of the cluster refuses the pods; whoever keeps the cluster can tell more",
    ),
)

# Events that tell why a pod which has its node does not get on, and that help is on its way.
_POD_EVENTS: dict[str, str] = {
    "FailedMount": _CONFIGURATION,
    "FailedAttachVolume": "Another node still holds the volume, or it is out of reach",
    "FailedCreatePodSandBox": "The node's network or runtime is in trouble; ask whoever keeps the nodes",
    "NotTriggerScaleUp": "The cluster does not grow for it: no node pool fits, or all are at their limit",
    "TriggeredScaleUp": "The cluster is growing for it; new nodes take some minutes",
}

# Events of a claim that is not bound: https://kubernetes.io/docs/concepts/storage/persistent-volumes/
_CLAIM_EVENTS: dict[str, str] = {
    "FailedBinding": "Create a PersistentVolume that fits, or give the claim a storage class",
    "ProvisioningFailed": "Correct the claim's storage class, or create it",
    "ExternalProvisioning": "Wait for its storage class to make the volume; see that the driver runs",
    "WaitForFirstConsumer": "",
    "WaitForPodScheduled": "",
}
# Both tell of one image, in turns.
_PULLS = {"ImagePullBackOff": "ErrImagePull"}
_POD_NAME = re.compile(r'\bpods "[\w.-]+" ')


class Explainer:
    """Asks for what tells why a Job waits."""

    def __init__(self, hook: KubernetesJobHook) -> None:
        self._hook = hook

    def explain(self, handle: JobHandle) -> str | None:
        """Return why the Job is not running, or ``None`` where it runs, is over, or the service says nothing.

        :raises NotFound: it is gone
        """
        job = self._hook.get_job_json(handle.name)
        if not is_waiting(job):
            return None
        pods = of_latest_owner(
            self._readable(lambda: all_items(self._hook.list_pods_page, label_selector=selector([handle])))
        )
        stuck = next((pod for pod in pods if not _has_started(pod)), None)
        events = self._events("Job", handle.name)
        if stuck:
            events += self._events("Pod", stuck["metadata"]["name"])
            for claim in _claims(stuck) if _waits_for_volume(stuck) else ():
                events += self._events("PersistentVolumeClaim", claim)
        return explain(job, pods, events)

    def _events(self, kind: str, name: str) -> list[Json]:
        return self._readable(lambda: all_items(self._hook.list_events_page, kind=kind, name=name))

    @staticmethod
    def _readable(read: Callable[[], Iterable[Json]]) -> list[Json]:
        """Return what was read; without the right to it the rest has to do."""
        try:
            return list(read())
        except AccessDenied:
            return []


def is_waiting(job: Json) -> bool:
    """Return whether a Job may have something to explain."""
    return not (mapping.is_over(job) or mapping.is_leaving(job) or mapping.has_run(job))


def explain(job: Json, pods: Sequence[Json], events: Sequence[Json]) -> str | None:
    """Return why a Job waits. Pure."""
    if (job.get("spec") or {}).get("suspend"):
        return _suspended(job)
    for pod in pods:
        if told := _containers(pod):
            return f"{_some(pods, _containers)}{told}"
    for pod in pods:
        if told := _scheduling(pod):
            return f"{_some(pods, _scheduling)}{told}{_beside(events)}"
    return _events(pods, events)


def _suspended(job: Json) -> str:
    queue = (job["metadata"].get("labels") or {}).get("kueue.x-k8s.io/queue-name")
    if queue:
        return (
            f"The Job is suspended and waits in the queue {queue!r} of Kueue. See kubectl describe workloads"
        )
    return "The Job is suspended. Resume it, or wait for the queue that does"


def _containers(pod: Json) -> str | None:
    for status in container_statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason = str(waiting.get("reason") or "")
        advice = WAITING.get(reason, "See kubectl describe pod")
        if reason and advice:
            shown = _PULLS.get(reason, reason)
            about = f"Container {status.get('name')!r} waits: {shown} (image {status.get('image')})"
            return explanation(f"{about}. {advice}", waiting.get("message"))
    return None


def _scheduling(pod: Json) -> str | None:
    for each in (pod.get("status") or {}).get("conditions") or ():
        if each.get("type") != "PodScheduled" or each.get("status") != "False":
            continue
        message = str(each.get("message") or "")
        if each.get("reason") == "SchedulingGated":
            return explanation(
                "The pod is held back by a scheduling gate. Whoever set it must lift it", message
            )
        advice = next((text for pattern, text in _SCHEDULER if pattern.search(message)), _LESS)
        # What nodes lack is the reason itself, and one advice stands for several.
        return f"No node takes the pod: {message.removesuffix('.')}. {advice}"
    return None


def _waits_for_volume(pod: Json) -> bool:
    return "persistentvolumeclaim" in (_scheduling(pod) or "").lower()


def _claims(pod: Json) -> list[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    claims = (each["persistentVolumeClaim"] for each in volumes if each.get("persistentVolumeClaim"))
    return [each["claimName"] for each in claims]


def _beside(events: Sequence[Json]) -> str:
    """Return what the latest event tells about a pod without a node: of its claim, or of nodes to come."""
    for event in sorted(events, key=_time, reverse=True):
        reason = str(event.get("reason"))
        name, message = (event.get("involvedObject") or {}).get("name"), str(event.get("message") or "")
        if advice := _CLAIM_EVENTS.get(reason):
            return f". {reason} of claim {name}: {message}. {advice}"
        if reason in ("TriggeredScaleUp", "NotTriggerScaleUp"):
            return f". {_POD_EVENTS[reason]}"
    return ""


def _events(pods: Sequence[Json], events: Sequence[Json]) -> str | None:
    """Return what the latest event tells that is known here."""
    for event in sorted(events, key=_time, reverse=True):
        reason, message = str(event.get("reason")), str(event.get("message") or "")
        if reason == "FailedCreate" and not pods:
            return _without_pods(message)
        if advice := _POD_EVENTS.get(reason, ""):
            return explanation(f"The pod waits: {reason}. {advice}", message)
    return None


def _without_pods(message: str) -> str:
    advice = next((text for pattern, text in _NO_POD if pattern.search(message)), None)
    if advice is None:
        # The name of a pod that could not be made is another one at each try.
        told = _POD_NAME.sub("pods ", message)
        return f"The service cannot make its pods: {told}. See kubectl describe job"
    return explanation(f"The service cannot make its pods. {advice}", message)


def _some(pods: Sequence[Json], tell: Callable[[Json], str | None]) -> str:
    told = sum(1 for pod in pods if tell(pod))
    return f"{told} of {len(pods)} pods wait. " if len(pods) > 1 else ""


def _has_started(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") != "Pending"


def _time(event: Json) -> str:
    return str(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )
