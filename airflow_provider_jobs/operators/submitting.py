"""From a task's context to its job: who submits, and what it means for the task when a service refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.engine.claims import Claim
from airflow_provider_jobs.engine.submission import Submission
from airflow_provider_jobs.engine.targets import Target, Terms, submit_to_first
from airflow_provider_jobs.engine.verdict import refusal
from airflow_provider_jobs.exceptions import submission_exception
from airflow_provider_jobs.operators.records import task_state_records


def claim_of(context: Any, *, resubmission: int, jobs_per_try: int) -> Claim:
    """Return who submits: this try of this task instance.

    :param resubmission: how many jobs of this try were preempted before
    :param jobs_per_try: how many it may submit at most
    """
    ti = context["ti"]
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
        generation=ti.max_tries,
        try_id=str(ti.id),
        resubmission=resubmission,
        jobs_per_try=jobs_per_try,
    )


def submit(
    targets: Sequence[Target], context: Any, *, claim: Claim, terms: Terms, may_fail_at_once: bool
) -> Submission:
    """Return the job at the first target that takes it.

    :param may_fail_at_once: whether a refusal that a retry cannot mend may skip the task's retries
    :raises JobFailed: the service refuses it, or was in trouble for longer than the bound
    """
    records = task_state_records(context)
    try:
        return submit_to_first(targets, claim=claim, store=records, open_backend=open_backend, terms=terms)
    except JobsError as error:
        failure = refusal(error)
        if records:
            records.count_failure(failure.kind)
        raise submission_exception(failure, may_fail_at_once=may_fail_at_once) from error
