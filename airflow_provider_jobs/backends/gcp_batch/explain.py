"""Why a job does not run yet, from what the service says about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from google.cloud.batch_v1 import Job, JobStatus

from airflow_provider_jobs.backends.gcp_batch.mapping import native_state
from airflow_provider_jobs.core.explanations import explanation

_WAITING: dict[int, str] = {
    JobStatus.State.QUEUED: "queued",
    JobStatus.State.SCHEDULED: "scheduled, and its machines are not running yet",
}
_QUOTA_WAIT = re.compile(
    r"\[Quota: ([^,\]]+), limit: ([\d.]+), usage: ([\d.]+), wanted: ([\d.]+)", re.IGNORECASE
)
_QUOTA_HIT = re.compile(
    r"Quota '?([\w-]+)'? exceeded\.\s+Limit: ([\d.]+) in (region|zone) ([\w-]+)", re.IGNORECASE
)

_USE_LESS = "Wait, use a smaller machine_type or parallelism, another region, or ask for a higher quota"


def _quota_wait(said: re.Match[str]) -> str:
    name, limit, used, wanted = (part.strip() for part in said.groups())
    return f"Quota {name} is short: {used} of {limit} are in use and the job wants {wanted}. {_USE_LESS}"


def _quota_hit(said: re.Match[str]) -> str:
    return f"Quota {said[1]} ({said[2]} in {said[3]} {said[4]}) is used up. {_USE_LESS}"


def _always(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


# Sentences of https://cloud.google.com/batch/docs/troubleshooting and what to do about them.
_TELLING: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_QUOTA_WAIT, _quota_wait),
    (_QUOTA_HIT, _quota_hit),
    (
        re.compile(r"quota", re.IGNORECASE),
        _always(f"A quota is short. {_USE_LESS}"),
    ),
    (
        re.compile(
            r"RESOURCE_POOL_EXHAUSTED|stockout|not have enough resources|resource_availability", re.IGNORECASE
        ),
        _always(
            "The zones have no such machines to give now. Allow more zones with allowed_locations, "
            "take another machine_type or region, or spot=False"
        ),
    ),
    (
        re.compile(r"No VM has agent reporting", re.IGNORECASE),
        _always(
            "The machines do not report to the service. Grant roles/batch.agentReporter to the job's service "
            "account, and check that its network reaches Google APIs"
        ),
    ),
    (
        re.compile(r"constraints/compute\.vmExternalIpAccess", re.IGNORECASE),
        _always("The organization forbids external addresses. Set no_external_ip=True"),
    ),
    (
        re.compile(r"constraints/(\S+)", re.IGNORECASE),
        lambda said: f"The organization's policy {said[1]} forbids these machines. Ask whoever keeps it",
    ),
    (
        re.compile(r"No zone supports|INVALID_FIELD_VALUE|was not found", re.IGNORECASE),
        _always(
            "The zones know no such machine type, accelerator or disk. Check machine_type, gpu and "
            "allowed_locations"
        ),
    ),
    (
        re.compile(r"SERVICE_ACCOUNT_MISMATCH|access to act as|permission", re.IGNORECASE),
        _always("A permission is missing. Grant roles/iam.serviceAccountUser on the job's service account"),
    ),
    (
        re.compile(r"Batch Error: code - (\w+)", re.IGNORECASE),
        lambda said: f"The machines cannot be made ({said[1]}). Correct what the service names",
    ),
)


def explain(job: Job) -> str | None:
    """Return why the job is not running, or ``None`` where it runs, is over, or the service says nothing.

    The latest event that tells something counts. The wait for a quota is over once the job is scheduled.
    """
    state = native_state(job)
    waits = _WAITING.get(state)
    if waits is None:
        return None
    for event in reversed(job.status.status_events):
        if state != JobStatus.State.QUEUED and _QUOTA_WAIT.search(event.description):
            continue
        for pattern, advice in _TELLING:
            if said := pattern.search(event.description):
                return explanation(f"The job is {waits}. {advice(said)}", event.description)
    return None
