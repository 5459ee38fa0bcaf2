"""What is kept of watched Jobs: enough for the same report, and no more."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from airflow_provider_jobs.backends.kubernetes import mapping
from airflow_provider_jobs.backends.kubernetes.failures import failures_of
from airflow_provider_jobs.backends.kubernetes.job_cache import JobCache, trimmed
from airflow_provider_jobs.backends.kubernetes.mapping import CANCELLED_ANNOTATION
from airflow_provider_jobs.backends.kubernetes.request import build_job
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.spec import JobSpec
from tests.backends.kubernetes.api import CREATED, NAME, condition, handle, job

Json = dict[str, Any]

SPEC = JobSpec(image="busybox", script="true", array_size=8, env={"A": "x" * 2000})


def named(name: str, *conditions: Json, **values: Any) -> Json:
    """Return a Job of a name."""
    made = job(*conditions, **values)
    made["metadata"]["name"] = name
    return made


def probed(made: Json) -> Json:
    """Return the Job with a probe of readiness."""
    made["spec"]["template"]["spec"]["initContainers"] = [{"name": "side", "readinessProbe": {"exec": {}}}]
    return made


def stopped(made: Json) -> Json:
    """Return the Job suspended by a cancel."""
    made["spec"]["suspend"] = True
    made["metadata"]["annotations"] = {CANCELLED_ANNOTATION: "", "other": "x"}
    return made


def leaving(made: Json) -> Json:
    """Return the Job on its way out."""
    made["metadata"]["deletionTimestamp"] = "2030-01-01T00:01:00Z"
    return made


def repeated(made: Json) -> Json:
    """Return the Job with containers that are started again."""
    made["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    return made


JOBS = [
    job(),
    job(active=1),
    job(active=1, ready=1, startTime="2030-01-01T00:00:01Z"),
    probed(job(active=1)),
    job(condition("Complete", "CompletionsReached", "Reached it"), succeeded=1),
    job(condition("Complete"), completionTime="2030-01-01T00:00:09Z", succeeded=1),
    job(condition("Failed", "BackoffLimitExceeded", "Too often"), failed=1),
    repeated(job(condition("Failed", "BackoffLimitExceeded", "Too often"), failed=1)),
    job(condition("FailureTarget"), condition("Suspended", status="False"), active=1, terminating=1),
    job(
        condition("Failed", "FailedIndexes"), size=5, completedIndexes="0,2-3", failedIndexes="1,4", failed=2
    ),
    job(size=5, completedIndexes="0,2-3", active=2, ready=2),
    job(condition("Suspended", "JobSuspended", "Job suspended")),
    stopped(job(condition("Suspended"))),
    stopped(job(condition("Suspended"), terminating=1)),
    stopped(job(condition("Failed", "DeadlineExceeded"))),
    leaving(job(active=1)),
]


@pytest.mark.parametrize("whole", JOBS)
def test_a_report_is_the_same_from_what_is_kept(whole: Json) -> None:
    kept = json.loads(trimmed(whole))
    for told in (
        mapping.job_state,
        mapping.word,
        mapping.detail,
        mapping.is_over,
        mapping.is_leaving,
        mapping.has_failed,
        mapping.has_run,
        mapping.created_at,
        mapping.ended_at,
        lambda each: mapping.counts(each, handle(5)),
        lambda each: failures_of(each, [], handle(5)),
        lambda each: each["metadata"].get("uid"),
        lambda each: each["status"].get("startTime"),
    ):
        assert told(kept) == told(whole)


def test_what_is_kept_does_not_change_with_what_no_report_shows() -> None:
    whole = job(active=1)
    other = job(active=1, uncountedTerminatedPods={}, ready=0)
    other["metadata"] |= {"resourceVersion": "9", "labels": {"a": "b"}, "managedFields": [{}]}
    assert trimmed(whole) == trimmed(other)
    assert trimmed(whole) != trimmed(job(active=1, ready=1))


def test_ten_thousand_jobs_that_wait_are_less_than_a_kilobyte_each() -> None:
    cache = JobCache()
    key = JobKey(dag_id="a_dag_of_some_length", run_id="scheduled__2030-01-01", task_id="and_a_task")
    made = build_job(SPEC, key, namespace="ml")
    made["status"] = {"active": 8, "ready": 0, "startTime": "2030-01-01T00:00:01Z", "terminating": 0}
    for n in range(10_000):
        own = {"name": f"a-dag-of-some-length-and-a-task-{n:016x}", "uid": f"467bb38d-72d7-41f7-ba50-{n:012}"}
        cache.put({**made, "metadata": {**made["metadata"], **own, "creationTimestamp": CREATED}})
    assert len(cache) == 10_000
    held = sum(sys.getsizeof(name) + sys.getsizeof(kept) for name, kept in cache._open.items())
    assert (held + sys.getsizeof(cache._open)) / 10_000 < 1_000


def test_of_jobs_that_are_over_only_the_last_are_kept() -> None:
    cache = JobCache(most_over=3)
    for n in range(10):
        cache.put(named(f"j{n}"))
        assert cache.put(named(f"j{n}", condition("Complete")))
    assert len(cache) == 3
    assert cache.get("j6") is None
    assert cache.get("j7")


def test_jobs_that_ended_long_ago_are_not_taken_from_a_list() -> None:
    cache = JobCache()
    cache.put(named("known"), is_listed=True)
    for name in ("known", "old"):
        assert cache.put(named(name, condition("Complete")), is_listed=True)
    assert cache.get("old") is None
    assert mapping.is_over(cache.get("known") or {})


def test_a_job_that_is_over_may_be_set_going_again() -> None:
    cache = JobCache(most_over=0)
    cache.put(stopped(job(condition("Suspended"))))
    assert len(cache) == 0
    cache.put(job(active=1))
    assert cache.get(NAME)


def test_jobs_that_a_list_no_longer_has_are_forgotten() -> None:
    cache = JobCache()
    cache.put(named("stays"))
    cache.put(named("goes"))
    cache.put(named("went", condition("Complete")))
    assert sorted(cache.keep({"stays", "other"})) == ["goes", "went"]
    assert (len(cache), cache.get("goes")) == (1, None)
    cache.remove("stays")
    cache.remove("stays")
    assert len(cache) == 0
