"""What a backend and the engine say to each other about a job that exists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, JsonValue

from airflow_provider_jobs.core.failures import Failure
from airflow_provider_jobs.core.moments import DateTime
from airflow_provider_jobs.core.ranges import format_indexes
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.core.wire import Wire


class BackendRef(Wire):
    """Which backend, reached how: what a client is made from, and what a poll group is keyed by.

    :param backend: the registered name, for example ``gcp_batch``
    :param conn_id: the Airflow connection
    :param scope: project, region, namespace and the like; texts, never a secret
    """

    version: Literal[1] = 1
    backend: str
    conn_id: str
    scope: dict[str, str] = {}

    def __hash__(self) -> int:
        return hash((self.backend, self.conn_id, tuple(sorted(self.scope.items()))))


@lru_cache(maxsize=1024)
def _shared(ref: BackendRef) -> BackendRef:
    """Return the first reference that equals this one; the handles of a group share it."""
    return ref


class JobHandle(Wire):
    """A job that a service has taken.

    :param native_id: what the service's API calls it, unique within the scope
    :param name: the name that follows from the key
    :param size: how many tasks it has on the service
    :param indexes: the original index of each task, ``None`` where task and index are the same
    :param submitted_at: when it was submitted, in UTC
    :param console_url: where a person sees it
    :param logs_url: where a person sees its logs
    :param stamp: the spec's stamp, as the service keeps it with the job
    :param cancel_command: what a person types to cancel it, where nobody else does
    """

    version: Literal[1] = 1
    ref: Annotated[BackendRef, AfterValidator(_shared)]
    native_id: str
    name: str
    size: int = 1
    indexes: tuple[int, ...] | None = None
    submitted_at: DateTime
    console_url: str | None = None
    logs_url: str | None = None
    stamp: str = ""
    cancel_command: str | None = None

    def __hash__(self) -> int:
        return hash((self.ref, self.native_id))

    def original_index(self, task: int) -> int:
        """Return the array index that the task of this number runs."""
        if self.indexes is None or not 0 <= task < len(self.indexes):
            return task
        return self.indexes[task]


class ArrayCounts(Wire):
    """How far an array is. ``failed_indexes`` are original indexes, known once the job has failures."""

    size: int
    succeeded: int = 0
    failed: int = 0
    running: int = 0
    failed_indexes: tuple[int, ...] = ()


class JobReport(Wire):
    """The service's answer about one job.

    :param native_id: the job asked for
    :param found: ``False`` where the service says that there is no such job
    :param state: ``None`` where the service's word is unknown here; the last state then stands
    :param native_state: the service's own word
    :param detail: the service's last word on why it is in this state
    :param failures: the first failures of a job that ended badly, the job's own or its indexes'
    :param started_at: when its first task ran
    :param ended_at: when it ended
    :param cancelling: whether somebody's cancel is under way
    :param vcpus: what each index was given, where the service says so with the rest
    :param memory_mib: likewise
    :param index_seconds: for how long all indexes ran, added, where the service says so with the rest
    """

    native_id: str
    found: bool = True
    state: JobState | None = None
    native_state: str = ""
    detail: str | None = None
    array: ArrayCounts | None = None
    failures: tuple[Failure, ...] = ()
    started_at: DateTime | None = None
    ended_at: DateTime | None = None
    cancelling: bool = False
    vcpus: float | None = None
    memory_mib: float | None = None
    index_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of one index.

    No model, since it crosses no process and there are millions: one object each. The more objects lie there
    until they are taken, the more often the garbage collector stops the process to look at all it holds.

    :param timestamp: the job's own, in UTC
    :param stream: ``stdout`` or ``stderr``
    :param level: ``debug``, ``info``, ``warning`` or ``error``
    :param index: the original array index, ``None`` for lines of the service itself
    """

    timestamp: datetime
    message: str
    stream: Literal["stdout", "stderr", "service"] = "stdout"
    level: Literal["debug", "info", "warning", "error"] = "info"
    index: int | None = None
    attempt: int | None = None
    container: str | None = None


class LogCursor(Wire):
    """How far the log of one job has been read; ``position`` belongs to the backend."""

    handle: JobHandle
    position: JsonValue = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """The next lines of one job.

    :param position: where the next read begins
    :param more: whether the service has further lines right now, or may have
    :param unread: whether this read had no room for the job, which then has its turn before others
    """

    native_id: str
    lines: tuple[LogLine, ...] = ()
    position: JsonValue = None
    more: bool = False
    unread: bool = False


class ArraySummary(Wire):
    """The array part of the summary; ``failed_indexes`` as ranges, ``"3,7-9"``."""

    size: int
    succeeded: int
    failed: int
    failed_indexes: str = ""


class JobSummary(Wire):
    """What stands in XCom under ``job`` when the task is over.

    Counts and states are those of the whole array; times and usage those of the last job submitted for it.

    :param attempts: how many jobs were submitted for the task instance
    :param queued_seconds: from submission until the first index ran
    :param run_seconds: from then until the end of the last index
    :param indexes_by_state: as ranges, ``{"FAILED": "3,7-9"}``, once each index is known to have ended
    :param vcpu_seconds: the vCPUs that each index was given, times the seconds that it ran, added, whatever
        it made of them; ``None`` where either is not known
    :param memory_mib_seconds: likewise of its memory, in mebibytes
    :param usage_is_bound: whether these two are the most that it can have been: how long each of several
        indexes ran is not known, and as many as may run at once are counted for all of ``run_seconds``
    :param output_files: addresses of the files that it has left, by relative path, and by index for arrays
    """

    version: Literal[1] = 1
    backend: str
    native_id: str
    name: str
    state: JobState
    console_url: str | None = None
    logs_url: str | None = None
    attempts: int = 1
    array: ArraySummary
    indexes_by_state: dict[JobState, str] = {}
    queued_seconds: float | None = None
    run_seconds: float | None = None
    vcpu_seconds: float | None = None
    memory_mib_seconds: float | None = None
    usage_is_bound: bool = False
    output_files: dict[str, JsonValue] | None = None


class JobEvent(Wire):
    """What an index reported with ``::airflow::{"event": ...}``; ``event`` is whatever JSON it wrote."""

    index: int
    event: JsonValue


class JobOutcome(Wire):
    """How a job ended, with all that a worker needs to end the task likewise.

    :param outputs: what was reported with ``::airflow::{"outputs": ...}``, by original index
    :param events: what was reported with ``::airflow::{"event": ...}``, in the order in which it was read
    :param cancelled_for: the deadline for which we cancelled it ourselves
    :param explanation: the last known reason why it did not start
    :param vcpus: what each index was given, or was to be given
    :param memory_mib: likewise
    :param parallelism: how many indexes may run at once, ``None`` for all
    :param index_seconds: for how long all indexes ran, added, where that is known
    """

    version: Literal[1] = 1
    handle: JobHandle
    state: JobState
    array: ArrayCounts
    failures: tuple[Failure, ...] = ()
    outputs: dict[int, dict[str, JsonValue]] = {}
    events: tuple[JobEvent, ...] = ()
    started_at: DateTime | None = None
    ended_at: DateTime | None = None
    attempts: int = 1
    cancelled_for: Literal["execution_timeout", "queue_timeout"] | None = None
    explanation: str | None = None
    vcpus: float | None = None
    memory_mib: float | None = None
    parallelism: int | None = None
    index_seconds: float | None = None

    def summary(self) -> JobSummary:
        """Return the record for XCom."""
        handle, array = self.handle, self.array
        run_seconds = _seconds(self.started_at, self.ended_at)
        index_seconds = self.index_seconds
        if index_seconds is None and run_seconds is not None:
            index_seconds = run_seconds * min(handle.size, self.parallelism or handle.size)
        return JobSummary(
            backend=handle.ref.backend,
            native_id=handle.native_id,
            name=handle.name,
            state=self.state,
            console_url=handle.console_url,
            logs_url=handle.logs_url,
            attempts=self.attempts,
            array=ArraySummary(
                size=array.size,
                succeeded=array.succeeded,
                failed=array.failed,
                failed_indexes=format_indexes(array.failed_indexes),
            ),
            indexes_by_state=self._indexes_by_state(),
            queued_seconds=_seconds(handle.submitted_at, self.started_at),
            run_seconds=run_seconds,
            vcpu_seconds=_product(self.vcpus, index_seconds),
            memory_mib_seconds=_product(self.memory_mib, index_seconds),
            usage_is_bound=self.index_seconds is None and handle.size > 1,
        )

    def _indexes_by_state(self) -> dict[JobState, str]:
        array = self.array
        failed = set(array.failed_indexes)
        succeeded = [index for index in range(array.size) if index not in failed]
        if not self.state.is_terminal or (len(succeeded), len(failed)) != (array.succeeded, array.failed):
            return {}
        found = {JobState.SUCCEEDED: succeeded, JobState.FAILED: sorted(failed)}
        return {state: format_indexes(indexes) for state, indexes in found.items() if indexes}

    def result(self) -> JsonValue:
        """Return the task's ``return_value``: the outputs, by index for an array, or ``None``."""
        if not self.outputs:
            return None
        if self.array.size == 1:
            return dict(self.outputs.get(0, {}))
        return {str(index): dict(said) for index, said in sorted(self.outputs.items())}


def _product(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one * other


def _seconds(begin: DateTime | None, end: DateTime | None) -> float | None:
    """Return the time between; clocks of a service may differ, and none goes back."""
    return max(0.0, (end - begin).total_seconds()) if begin and end else None
