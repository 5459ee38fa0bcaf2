"""The cells of a job's and of a pod's row.

https://github.com/kubernetes/kubernetes/blob/master/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from typing import Any

import pendulum

from airflow_provider_jobs.backends.kubernetes.emulator.store import Object
from airflow_provider_jobs.backends.kubernetes.emulator.times import age, human, parsed


def job(found: Object) -> list[Any]:
    spec, status = found["spec"], found.get("status", {})
    true = {each["type"]: each for each in status.get("conditions", []) if each["status"] == "True"}
    shown = "Running"
    for kind in ("SuccessCriteriaMet", "FailureTarget", "Suspended"):
        shown = kind if kind in true else shown
    if "deletionTimestamp" in found.meta:
        shown = "Terminating"
    shown = "Complete" if "Complete" in true else "Failed" if "Failed" in true else shown
    succeeded = status.get("succeeded", 0)
    if spec.get("completions") is not None:
        completions = f"{succeeded}/{spec['completions']}"
    elif spec.get("parallelism", 0) > 1:
        completions = f"{succeeded}/1 of {spec['parallelism']}"
    else:
        completions = f"{succeeded}/1"
    pod_spec = spec["template"]["spec"]
    selector = spec.get("selector", {}).get("matchLabels", {})
    return [
        found.name, shown, completions, _duration(status, true), age(found.meta.get("creationTimestamp")),
        ",".join(each["name"] for each in pod_spec["containers"]),
        ",".join(each["image"] for each in pod_spec["containers"]),
        ",".join(f"{key}={value}" for key, value in selector.items()),
    ]  # fmt: skip


def _duration(status: dict[str, Any], true: dict[str, Any]) -> str:
    if "startTime" not in status:
        return ""
    ended = status.get("completionTime") or true.get("Failed", {}).get("lastTransitionTime")
    until = parsed(ended) if ended else pendulum.now("UTC")
    return human((until - parsed(status["startTime"])).total_seconds())


def pod(found: Object) -> list[Any]:
    spec, status = found["spec"], found.get("status", {})
    containers = status.get("containerStatuses", [])
    ready = sum(each.get("ready", False) for each in containers)
    total = len(spec["containers"])
    for each in status.get("initContainerStatuses", []):
        if _is_sidecar(spec, each["name"]):
            total += 1
            ready += each.get("ready", False) and each.get("started", False)
    restarts = sum(each.get("restartCount", 0) for each in containers)
    restarts += sum(each.get("restartCount", 0) for each in status.get("initContainerStatuses", []))
    return [
        found.name, f"{ready}/{total}", _pod_status(found), str(restarts) + _last_restart(containers),
        age(found.meta.get("creationTimestamp")), status.get("podIP", "<none>"),
        spec.get("nodeName", "<none>"), "<none>", "<none>",
    ]  # fmt: skip


def _last_restart(containers: list[dict[str, Any]]) -> str:
    ended = [
        each["lastState"]["terminated"]["finishedAt"]
        for each in containers
        if each.get("lastState", {}).get("terminated", {}).get("finishedAt")
    ]
    return f" ({age(max(ended))} ago)" if ended else ""


def _is_sidecar(spec: dict[str, Any], name: str) -> bool:
    return any(
        each["name"] == name and each.get("restartPolicy") == "Always"
        for each in spec.get("initContainers", [])
    )


def _pod_status(found: Object) -> str:
    """The word under STATUS."""
    spec, status = found["spec"], found.get("status", {})
    shown = status.get("reason") or status.get("phase", "")
    if any(each.get("reason") == "SchedulingGated" for each in status.get("conditions", [])):
        shown = "SchedulingGated"
    beginning = _init_status(spec, status)
    if beginning:
        shown = beginning
    else:
        running = False
        for each in reversed(status.get("containerStatuses", [])):
            state = each.get("state", {})
            if state.get("waiting", {}).get("reason"):
                shown = state["waiting"]["reason"]
            elif "terminated" in state:
                shown = _terminated(state["terminated"])
            elif "running" in state and each.get("ready"):
                running = True
        if shown == "Completed" and running:
            shown = "Running"
    if "deletionTimestamp" in found.meta:
        shown = "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return shown


def _init_status(spec: dict[str, Any], status: dict[str, Any]) -> str:
    for number, each in enumerate(status.get("initContainerStatuses", [])):
        state = each.get("state", {})
        if state.get("terminated", {}).get("exitCode") == 0:
            continue
        if _is_sidecar(spec, each["name"]) and each.get("started"):
            continue
        if "terminated" in state:
            return f"Init:{_terminated(state['terminated'])}"
        reason = state.get("waiting", {}).get("reason", "")
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{number}/{len(spec.get('initContainers', []))}"
    return ""


def _terminated(state: dict[str, Any]) -> str:
    return state.get("reason") or f"ExitCode:{state.get('exitCode', 0)}"
