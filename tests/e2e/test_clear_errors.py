"""Mistakes that only show when a task runs end it at once, with an exception that says what is wrong."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.demo.rest import AirflowRest
from airflow_provider_jobs.demo.runs import FollowedRun

pytestmark = pytest.mark.timeout(300)


def test_a_connection_that_does_not_exist_is_named(rest: AirflowRest) -> None:
    rest.wait_for_dag("e2e_no_such_connection")
    run = FollowedRun(rest, "e2e_no_such_connection")
    assert rest.wait_for_run(run.dag_id, run.run_id, timeout_seconds=90) == "failed"
    run.look()
    assert "no_such_connection" in run.outcome("submit").error
