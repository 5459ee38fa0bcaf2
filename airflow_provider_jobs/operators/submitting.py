"""From a task instance to its job: who submits, and what it means for the task when a service refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.engine.calls import OpenBackend
from airflow_provider_jobs.engine.claims import Claim
from airflow_provider_jobs.engine.submission import Submission
from airflow_provider_jobs.engine.targets import Target, Terms, submit_to_first
from airflow_provider_jobs.engine.verdict import refusal
from airflow_provider_jobs.exceptions import submission_exception
from airflow_provider_jobs.operators.records import TaskStateRecords

# A triggerer does not know when a task was cleared; on_kill has cancelled what ran before.
_ANY_GENERATION = 0


def claim_of(ti: Any, *, has_record: bool, jobs_per_try: int, resubmission: int = 0) -> Claim:
    """Return who submits: this try of this task instance.

    :param has_record: whether this try is submitted from a worker, which knows when the task was cleared
    :param jobs_per_try: how many jobs a try may submit at most
    :param resubmission: how many jobs of this try were preempted before
    """
    key = JobKey(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        deployment=conf.get("airflow_provider_jobs", "deployment", fallback=""),
    )
    # Clearing a task raises its max_tries, a retry does not. Every try has an id of its own.
    return Claim(
        key=key,
        try_number=ti.try_number,
        generation=ti.max_tries if has_record else _ANY_GENERATION,
        try_id=str(ti.id),
        resubmission=resubmission,
        jobs_per_try=jobs_per_try,
    )


def submit(
    targets: Sequence[Target],
    records: TaskStateRecords | None,
    *,
    claim: Claim,
    terms: Terms,
    may_fail_at_once: bool,
    open_backend: OpenBackend,
) -> Submission:
    """Return the job at the first target that takes it.

    :param may_fail_at_once: whether a refusal that a retry cannot mend may skip the task's retries
    :raises JobFailed: the service refuses it, or was in trouble for longer than the bound
    """
    try:
        return submit_to_first(targets, claim=claim, store=records, open_backend=open_backend, terms=terms)
    except JobsError as error:
        failure = refusal(error)
        if records:
            records.count_failure(failure.kind)
        raise submission_exception(failure, may_fail_at_once=may_fail_at_once) from error
