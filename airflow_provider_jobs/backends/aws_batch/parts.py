"""What became of a job that is over: of the children of an array, of the nodes of a job with many.

A job that is not over, or runs itself, costs no call. An array costs a list of its failed children where
it has such, and one call for the first of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pendulum

from airflow_provider_jobs.backends.aws_batch import details, mapping
from airflow_provider_jobs.backends.aws_batch.hook import MAX_DESCRIBED, AwsBatchHook
from airflow_provider_jobs.core.failures import Failure
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.states import JobState

Fields = Mapping[str, Any]

MAX_DETAILED_FAILURES = 10


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    :param state: where the children say more than the job itself
    :param failed_indexes: the original indexes that did not succeed
    :param index_seconds: for how long all of them ran, ``None`` where not all were asked for
    """

    state: JobState | None = None
    failures: tuple[Failure, ...] = ()
    failed_indexes: tuple[int, ...] = ()
    started_at: pendulum.DateTime | None = None
    ended_at: pendulum.DateTime | None = None
    index_seconds: float | None = None


class PartLookup:
    """Asks for the parts of jobs. Holds no state."""

    def __init__(self, hook: AwsBatchHook) -> None:
        self._hook = hook

    def ending(self, handle: JobHandle, job: Fields) -> Ending:
        """Return how a described job ended, or only when it began where it is not over."""
        if not mapping.is_over(job):
            return Ending(started_at=mapping.started_at(job))
        if details.is_array(job):
            return self._of_array(handle, job)
        failed = mapping.word(job) == "FAILED"
        parts = self._nodes(job) if failed and details.is_multi_node(job) else [job]
        return Ending(
            failures=tuple(mapping.part_failure(part, handle) for part in parts) if failed else (),
            failed_indexes=(handle.original_index(0),) if failed else (),
            started_at=mapping.started_at(job),
            ended_at=mapping.ended_at(job),
            index_seconds=None if details.is_multi_node(job) else details.run_seconds(job),
        )

    def _of_array(self, handle: JobHandle, job: Fields) -> Ending:
        listed = self._failed(job)
        failed = {number(child): child for child in listed}
        told = sorted(failed)[:MAX_DETAILED_FAILURES]
        has_times = job.get("startedAt") and job.get("stoppedAt")
        asked = told if has_times else list(dict.fromkeys([*told, *range(handle.size)]))[:MAX_DESCRIBED]
        children = {
            details.task_number(child): child
            for child in (self._hook.describe_jobs(details.part_ids(job, asked)) if asked else ())
        }
        failures = [mapping.part_failure(children.get(n, failed[n]), handle) for n in told]
        if not failures and mapping.word(job) == "FAILED":
            failures = [mapping.job_failure(job, handle)]
        missing = self._not_succeeded(handle, job, failed=set(failed))
        cancelled = bool(listed) and all(mapping.is_cancelled(child) for child in listed)
        return Ending(
            state=JobState.CANCELLED if cancelled and mapping.word(job) == "FAILED" else None,
            failures=tuple(failures),
            failed_indexes=tuple(sorted(map(handle.original_index, missing))),
            started_at=_first(mapping.started_at(each) for each in (job, *children.values())),
            ended_at=mapping.ended_at(job) or _last(mapping.ended_at(each) for each in children.values()),
            index_seconds=(
                sum(map(details.run_seconds, children.values())) if len(children) == handle.size else None
            ),
        )

    def _failed(self, job: Fields) -> list[Fields]:
        """Return summaries of the children that failed."""
        if mapping.word(job) != "FAILED" and not details.status_summary(job).get("FAILED"):
            return []
        return list(self._hook.list_jobs(array_job_id=job["jobId"], status="FAILED"))

    def _not_succeeded(self, handle: JobHandle, job: Fields, *, failed: set[int]) -> set[int]:
        """Return the children that did not succeed, those among them that never came to be."""
        if mapping.word(job) == "SUCCEEDED":
            return failed
        succeeded = details.status_summary(job).get("SUCCEEDED", 0)
        if not succeeded:
            return set(range(handle.size))
        if len(failed) >= handle.size - succeeded:
            return failed
        done = self._hook.list_jobs(array_job_id=job["jobId"], status="SUCCEEDED")
        return set(range(handle.size)) - {number(child) for child in done}

    def _nodes(self, job: Fields) -> list[Fields]:
        """Return the nodes that failed, the main node first; the job itself where no node says why."""
        count = min(details.part_count(job), MAX_DESCRIBED)
        nodes = self._hook.describe_jobs(details.part_ids(job, range(count)))
        failed: list[Fields] = [each for each in nodes if mapping.word(each) == "FAILED"]
        failed.sort(key=lambda each: (not _is_main(each), details.node(each) or 0))
        return failed[:MAX_DETAILED_FAILURES] or [job]


def number(child: Fields) -> int:
    """Return which child of its array a job is, by its id."""
    return int(child["jobId"].rpartition(":")[2])


def _is_main(node: Fields) -> bool:
    return bool((node.get("nodeDetails") or {}).get("isMainNode"))


def _first(times: Any) -> pendulum.DateTime | None:
    return min((time for time in times if time), default=None)


def _last(times: Any) -> pendulum.DateTime | None:
    return max((time for time in times if time), default=None)
