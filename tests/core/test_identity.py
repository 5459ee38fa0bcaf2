"""Names and labels follow from the key alone, differ for different keys, and fit every service."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.core.identity import JobKey, job_labels, job_name

texts = st.text(min_size=1, max_size=300)
keys = st.builds(
    JobKey,
    dag_id=texts,
    run_id=texts,
    task_id=texts,
    map_index=st.integers(-1, 9999),
    attempt=st.integers(1, 99),
    deployment=st.text(max_size=20),
)


@given(keys, st.integers(24, 128))
def test_a_name_has_the_narrowest_charset_and_fits(key: JobKey, max_length: int) -> None:
    name = job_name(key, max_length)
    assert re.fullmatch(r"[a-z][a-z0-9-]*[a-z0-9]", name)
    assert len(name) <= max_length


@given(keys, keys)
def test_two_keys_have_two_names(one: JobKey, other: JobKey) -> None:
    assert (job_name(one, 63) == job_name(other, 63)) == (one == other)


@given(keys)
def test_the_next_attempt_has_another_name_and_the_same_key_always_the_same(key: JobKey) -> None:
    assert job_name(key.next_attempt(), 63) != job_name(key, 63)
    assert job_name(JobKey.from_json(key.to_json()), 63) == job_name(key, 63)


@given(keys)
def test_labels_fit_the_narrowest_charset(key: JobKey) -> None:
    for name, value in job_labels(key).items():
        assert re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", name)
        assert re.fullmatch(r"[a-z0-9_-]{0,63}", value)


def test_a_name_can_be_read() -> None:
    key = JobKey(dag_id="daily_sales", run_id="scheduled__2030-01-01", task_id="resize.images")
    assert job_name(key, 63).startswith("daily-sales-resize-images-")


def test_two_deployments_with_the_same_dag_have_different_names() -> None:
    key = JobKey(dag_id="d", run_id="r", task_id="t", deployment="dev")
    assert job_name(key, 63) != job_name(key.model_copy(update={"deployment": "prod"}), 63)
