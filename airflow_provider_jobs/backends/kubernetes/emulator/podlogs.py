"""The log of a pod's container: from the beginning, from its end, or as it is written.

It exists over the engine's store of lines, which it reads as one file per container: no line is seen before
an earlier one. It must not write.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pendulum
from fastapi import Response
from fastapi.responses import StreamingResponse

from airflow_provider_jobs.backends.kubernetes.emulator import statuses
from airflow_provider_jobs.backends.kubernetes.emulator.defaults import containers
from airflow_provider_jobs.backends.kubernetes.emulator.objects import Objects
from airflow_provider_jobs.backends.kubernetes.emulator.requests import Call
from airflow_provider_jobs.backends.kubernetes.emulator.resources import PODS
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object
from airflow_provider_jobs.backends.kubernetes.emulator.times import parsed
from airflow_provider_jobs.emulator.logstore import LogLine, LogQuery, LogStore

#: How often a log that is followed is looked at; less often while nothing is written.
_LOOK_SECONDS, _LOOK_SECONDS_QUIET = 0.05, 0.5


@dataclass(frozen=True)
class Wanted:
    """Which lines of which container run."""

    pod_uid: str
    index: int
    attempt: int
    from_ns: int | None = None
    tail: int | None = None
    timestamps: bool = False
    stream: str = "All"


class PodLogs:
    """Answers ``pods/log``."""

    def __init__(self, objects: Objects, logs: LogStore) -> None:
        self._objects = objects
        self._logs = logs

    async def answer(self, call: Call) -> Response:
        """Raises ApiError (400, 404, 422)."""
        pod = self._objects.get(PODS, (call.namespace, call.name))
        index = _container(pod, call.query.get("container", ""))
        _check_options(call)
        if not pod["spec"].get("nodeName"):
            return Response(status_code=204)
        wanted = _wanted(call, pod, index=index)
        if wanted is None:
            return Response(b"", media_type="text/plain")
        limit = call.number("limitBytes")
        if call.flag("follow") and not call.flag("previous"):
            return StreamingResponse(self._follow(pod, wanted, limit=limit), media_type="text/plain")
        lines, _ = self._read(wanted, wanted.from_ns)
        found = b"".join(_written(_last(lines, wanted.tail), wanted))
        return Response(found if limit is None else found[:limit], media_type="text/plain")

    def _read(self, wanted: Wanted, from_ns: int | None) -> tuple[list[LogLine], bool]:
        """The lines that can be seen, and whether there are others that cannot be seen yet."""
        query = LogQuery(job_uids=[wanted.pod_uid], task_indexes=[wanted.index], from_ns=from_ns, unseen=True)
        found: list[LogLine] = []
        now = time.time_ns()
        for line in self._logs.read(query):
            if line.attempt != wanted.attempt:
                continue
            if line.visible_ns > now:
                return found, True
            if wanted.stream in ("All", line.stream.title()):
                found.append(line)
        return found, False

    async def _follow(self, pod: Object, wanted: Wanted, *, limit: int | None) -> AsyncIterator[bytes]:
        """Lines as they come, until the container has ended and all of them are told."""
        from_ns, tail = wanted.from_ns, wanted.tail
        looked_at, more, left, pause = -1, False, limit, _LOOK_SECONDS
        while True:
            # Asked before the lines are read: what is written until then is read below.
            over = self._is_over(pod, wanted)
            lines: list[LogLine] = []
            if more or self._logs.last_seq != looked_at:
                looked_at = self._logs.last_seq
                lines, more = self._read(wanted, from_ns)
            if lines:
                from_ns = lines[-1].written_ns + 1
                text = b"".join(_written(_last(lines, tail), wanted))[:left]
                left = None if left is None else left - len(text)
                yield text
            tail = None
            if left == 0 or (over and not more):
                return
            pause = _LOOK_SECONDS if lines else min(pause * 1.5, _LOOK_SECONDS_QUIET)
            await asyncio.sleep(pause)

    def _is_over(self, pod: Object, wanted: Wanted) -> bool:
        """Whether the container's run has ended, or its pod is gone."""
        found = self._objects.store.get(PODS, pod.key)
        if found is None or found.uid != pod.uid:
            return True
        status = _status_of(found, wanted.index)
        if status.get("restartCount", 0) > wanted.attempt:
            return True
        return "terminated" in status.get("state", {})


def _order(pod: Object) -> list[dict[str, Any]]:
    """Containers in the order in which the engine counts them: init containers come last."""
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]


def _container(pod: Object, name: str) -> int:
    """The container that is meant. Raises ApiError (400)."""
    every = _order(pod)
    if not name:
        if len(pod["spec"]["containers"]) == 1:
            return 0
        main = " ".join(each["name"] for each in pod["spec"]["containers"])
        told = f"a container name must be specified for pod {pod.name}, choose one of: [{main}]"
        if pod["spec"].get("initContainers"):
            init = " ".join(each["name"] for each in pod["spec"]["initContainers"])
            told += f" or one of the init containers: [{init}]"
        raise statuses.bad_request(told)
    found = next((n for n, each in enumerate(every) if each["name"] == name), None)
    if found is None or name not in {each["name"] for each in containers(pod["spec"])}:
        raise statuses.bad_request(f"container {name} is not valid for pod {pod.name}")
    return found


def _check_options(call: Call) -> None:
    causes = []
    tail, limit, since = call.number("tailLines"), call.number("limitBytes"), call.number("sinceSeconds")
    if tail is not None and tail < 0:
        causes.append(statuses.invalid("tailLines", tail, detail="must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        causes.append(statuses.invalid("limitBytes", limit, detail="must be greater than 0"))
    if since is not None and call.query.get("sinceTime"):
        detail = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        causes.append(statuses.forbidden_field("", detail))
    elif since is not None and since < 1:
        causes.append(statuses.invalid("sinceSeconds", since, detail="must be greater than 0"))
    stream = call.query.get("stream", "All")
    if stream not in ("All", "Stdout", "Stderr"):
        causes.append(statuses.unsupported("stream", stream, allowed=["All", "Stderr", "Stdout"]))
    elif stream != "All" and tail is not None:
        causes.append(
            statuses.forbidden_field("", "`tailLines` and specific `stream` are mutually exclusive for now")
        )
    if causes:
        told = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
        details = {"kind": "PodLogOptions", "causes": [cause._asdict() for cause in causes]}
        raise statuses.ApiError("Invalid", f'PodLogOptions "" is invalid: {told}', details=details)


def _status_of(pod: Object, index: int) -> dict[str, Any]:
    name = _order(pod)[index]["name"]
    status = pod.get("status", {})
    every = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
    return next((each for each in every if each["name"] == name), {})


def _wanted(call: Call, pod: Object, *, index: int) -> Wanted | None:
    """Which run is meant, and from where. None where the run left no log. Raises ApiError (400)."""
    status = _status_of(pod, index)
    state, attempt = status.get("state", {}), status.get("restartCount", 0)
    name = _order(pod)[index]["name"]
    shown = f'container "{name}" in pod "{pod.name}"'
    waiting = "running" not in state and "terminated" not in state
    last = status.get("lastState", {})
    if call.flag("previous"):
        if "terminated" not in last:
            raise statuses.bad_request(f"previous terminated {shown} not found")
        attempt, state = attempt if waiting else attempt - 1, last
    elif waiting:
        if "terminated" not in last:
            raise statuses.bad_request(f"{shown} is waiting to start: {_why_waiting(state)}")
        # Between two runs the log is that of the run before.
        state = last
    if state.get("terminated", {}).get("reason") == "StartError":
        return None
    return Wanted(
        pod_uid=pod.uid,
        index=index,
        attempt=attempt,
        from_ns=_since(call),
        tail=call.number("tailLines"),
        timestamps=call.flag("timestamps"),
        stream=call.query.get("stream", "All"),
    )


def _why_waiting(state: dict[str, Any]) -> str:
    reason = state.get("waiting", {}).get("reason", "")
    known = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
    return known.get(reason, reason)


def _since(call: Call) -> int | None:
    seconds, text = call.number("sinceSeconds"), call.query.get("sinceTime", "")
    if seconds is not None:
        return time.time_ns() - seconds * 10**9
    if not text:
        return None
    try:
        at = parsed(text)
    except (ValueError, pendulum.parsing.exceptions.ParserError):
        raise statuses.bad_request(
            f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse'
        ) from None
    # The server hands the time on to the node in whole seconds.
    return int(at.timestamp()) * 10**9


def _last(lines: list[LogLine], count: int | None) -> list[LogLine]:
    """So many lines from the end; parts of a long line are one."""
    if count is None:
        return lines
    starts = [number for number, line in enumerate(lines) if line.part == 0]
    return lines[starts[-count] :] if 0 < count <= len(starts) else lines if count else []


def _written(lines: list[LogLine], wanted: Wanted) -> Iterator[bytes]:
    for line in lines:
        head = f"{_nanoseconds(line.written_ns)} " if wanted.timestamps and line.part == 0 else ""
        last = line.parts and line.part == line.parts - 1
        yield f"{head}{line.text}{chr(10) if last else ''}".encode()


def _nanoseconds(at: int) -> str:
    seconds, rest = divmod(at, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"
