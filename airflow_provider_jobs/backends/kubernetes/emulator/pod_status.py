"""The status of a pod, from what the node knows of its containers.

It exists as pure functions of that knowledge, so that a status is always consistent. It must not decide
what happens next. https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import images
from airflow_provider_jobs.backends.kubernetes.emulator.times import timestamp

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
_NEVER_STARTED = "1970-01-01T00:00:00Z"

Json = dict[str, Any]


@dataclass
class Container:
    """One container of a pod as the node sees it. ``index`` is its number in the engine's job."""

    index: int
    spec: Json
    init: bool = False
    state: Json = field(default_factory=dict)
    last_state: Json = field(default_factory=dict)
    restarts: int = 0
    container_id: str = ""
    #: It does not run and will not run again.
    gone: bool = False
    env: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.spec["name"]

    @property
    def sidecar(self) -> bool:
        return self.init and self.spec.get("restartPolicy") == "Always"

    @property
    def field_path(self) -> str:
        return f"spec.{'initContainers' if self.init else 'containers'}{{{self.name}}}"

    @property
    def running(self) -> bool:
        return "running" in self.state

    @property
    def succeeded(self) -> bool:
        return self.state.get("terminated", {}).get("exitCode") == 0

    @property
    def passed(self) -> bool:
        """For an init container: the next may start."""
        return self.running if self.sidecar else self.succeeded

    def wait(self, reason: str, message: str = "") -> bool:
        """Say why it does not run. Returns whether that is new."""
        waiting = {"reason": reason, **({"message": message} if message else {})}
        if self.state.get("waiting") == waiting:
            return False
        self.state = {"waiting": waiting}
        return True

    def run(self) -> None:
        self.container_id = f"containerd://{uuid.uuid4().hex}{uuid.uuid4().hex}"
        self.state = {"running": {"startedAt": timestamp()}}

    def terminate(self, exit_code: int, reason: str, *, message: str = "") -> None:
        """It has ended, or could not be started at all."""
        started = self.state.get("running", {}).get("startedAt", _NEVER_STARTED)
        if reason == "StartError":
            started = _NEVER_STARTED
        ended: Json = {"exitCode": exit_code, "reason": reason}
        if message:
            ended["message"] = message
        ended |= {"startedAt": started, "finishedAt": timestamp()}
        if self.container_id:
            ended["containerID"] = self.container_id
        self.state = {"terminated": ended}

    def restart(self) -> None:
        """It will run again."""
        if "terminated" in self.state:
            self.last_state = {"terminated": self.state["terminated"]}

    @property
    def status(self) -> Json:
        image = images.full_name(self.spec["image"])
        known = bool(self.container_id)
        made: Json = {
            "name": self.name,
            "state": self.state,
            "lastState": self.last_state,
            "ready": self.succeeded if self.init and not self.sidecar else self.running,
            "restartCount": self.restarts,
            "image": image if known else self.spec["image"],
            "imageID": _image_id(image) if known else "",
        }
        if known:
            made["containerID"] = self.container_id
        made["started"] = self.running
        return made


def _image_id(image: str) -> str:
    digest = hashlib.sha256(image.encode()).hexdigest()
    name = image.partition("@")[0]
    path, colon, tag = name.rpartition(":")
    return f"{path if colon and '/' not in tag else name}@sha256:{digest}"


@dataclass
class PodView:
    """All that a status is made of."""

    containers: list[Container]
    started_at: str
    host_ip: str
    pod_ip: str
    quality: str
    scheduled: Json
    generation: int = 1
    disruption: Json | None = None
    #: Set when all is over: the last phase, and why where it was not the containers' own doing.
    phase: str = ""
    reason: str = ""
    message: str = ""
    times: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def main(self) -> list[Container]:
        return [each for each in self.containers if not each.init]

    @property
    def init(self) -> list[Container]:
        return [each for each in self.containers if each.init]

    @property
    def initialized(self) -> bool:
        return all(each.passed or (each.sidecar and bool(each.last_state)) for each in self.init)


def phase(view: PodView) -> str:
    """The phase as long as it is not over."""
    if view.phase:
        return view.phase
    if not view.initialized:
        return PENDING
    unstarted = any("waiting" in each.state and not each.last_state for each in view.main)
    return PENDING if unstarted or not any(each.state for each in view.main) else RUNNING


def last_phase(view: PodView) -> str:
    """How it all ended."""
    fine = all(each.succeeded for each in view.main) and all(
        each.succeeded for each in view.init if not each.sidecar
    )
    return SUCCEEDED if fine and not view.reason else FAILED


def status(view: PodView) -> Json:
    """The whole status."""
    made: Json = {
        "observedGeneration": view.generation,
        "phase": phase(view),
        "conditions": _conditions(view),
    }
    if view.reason:
        made |= {"message": view.message, "reason": view.reason}
    made |= {"hostIP": view.host_ip, "hostIPs": [{"ip": view.host_ip}]}
    if view.pod_ip:
        made |= {"podIP": view.pod_ip, "podIPs": [{"ip": view.pod_ip}]}
    made["startTime"] = view.started_at
    if view.init:
        made["initContainerStatuses"] = [each.status for each in view.init]
    made["containerStatuses"] = [each.status for each in view.main]
    return {**made, "qosClass": view.quality}


def _conditions(view: PodView) -> list[Json]:
    now = phase(view)
    ended = now in (SUCCEEDED, FAILED)
    done = {"reason": "PodCompleted"} if now == SUCCEEDED else {"reason": "PodFailed"} if ended else {}
    unready = [each.name for each in view.main if not each.running]
    why = {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(unready)}]",
    }
    ready = not unready and not ended
    readiness: Json = {} if ready else (done or why)
    uninitialized = [each.name for each in view.init if not each.passed]
    initialized: Json = {}
    if not view.initialized:
        told = f"containers with incomplete status: [{' '.join(uninitialized)}]"
        initialized = {"reason": "ContainersNotInitialized", "message": told}
    elif now == SUCCEEDED:
        initialized = done
    started = any(each.container_id for each in view.containers) and not ended
    found = [
        _condition(view, "PodReadyToStartContainers", true=started, why={}),
        _condition(view, "Initialized", true=view.initialized, why=initialized),
        _condition(view, "Ready", true=ready, why=readiness),
        _condition(view, "ContainersReady", true=ready, why=readiness),
        view.scheduled,
    ]
    return [view.disruption, *found] if view.disruption else found


def _condition(view: PodView, type_: str, *, true: bool, why: Json) -> Json:
    """A condition; its time is that of its last change between true and false."""
    value = str(bool(true))
    known, since = view.times.get(type_, ("", ""))
    if known != value:
        since = timestamp()
        view.times[type_] = (value, since)
    return {
        "type": type_, "observedGeneration": view.generation, "status": value, "lastProbeTime": None,
        "lastTransitionTime": since, **why,
    }  # fmt: skip
