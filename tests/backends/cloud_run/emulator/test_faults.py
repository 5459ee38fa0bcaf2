from __future__ import annotations

import pytest
import requests
from google.api_core import exceptions
from google.cloud import run_v2

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.cloud_run.emulator.conftest import JOB, PARENT, Clients, job


def test_calls_are_counted_by_method_in_both_versions(cloud: LocalCloud, either: Clients):
    either.create(job("true"))
    either.jobs.get_job(name=JOB)
    requests.get(f"{cloud.http}/apis/run.googleapis.com/v1/namespaces/p/jobs", timeout=10)
    assert cloud.admin.calls("google.cloud.run.v2.Jobs/CreateJob") == 1
    assert cloud.admin.calls("google.cloud.run.v2.Jobs/GetJob") == 1
    assert cloud.admin.calls("google.cloud.run.v1.Jobs/ListJobs") == 1


def test_an_injected_error_is_answered_and_the_work_not_done(cloud: LocalCloud, either: Clients):
    either.create(job("true"))
    cloud.admin.add_fault(method="RunJob", error={"code": "RESOURCE_EXHAUSTED"}, times=1)
    with pytest.raises(exceptions.TooManyRequests):
        either.jobs.run_job(name=JOB, retry=None)
    assert either.jobs.get_job(name=JOB).execution_count == 0


def test_a_lost_answer_leaves_the_execution_behind(cloud: LocalCloud, either: Clients):
    either.create(job("true"))
    cloud.admin.add_fault(method="google.cloud.run.v2.Jobs/RunJob", drop_answer="reset", times=1)
    lost = (exceptions.ServiceUnavailable, requests.ConnectionError)
    with pytest.raises(lost):
        either.jobs.run_job(name=JOB, retry=None)
    assert len(list(either.executions.list_executions(parent=JOB))) == 1


def test_version_1_is_struck_by_the_same_rules(cloud: LocalCloud, run: Clients):
    run.create(job("true"))
    url = f"{cloud.http}/apis/run.googleapis.com/v1/namespaces/p/jobs/job-1"
    cloud.admin.add_fault(method="GetJob", error={"code": 503}, times=1)
    assert requests.get(url, timeout=10).json()["error"]["status"] == "UNAVAILABLE"
    cloud.admin.add_fault(method="RunJob", drop_answer="reset", times=1)
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{url}:run", json={}, timeout=10)
    assert len(list(run.executions.list_executions(parent=JOB))) == 1


def test_paths_of_other_api_groups_are_left_to_others(cloud: LocalCloud):
    for path in ("/apis", "/apis/batch/v1/namespaces/p/jobs", "/apis/run.googleapis.com/v1", "/api/v1/pods"):
        assert requests.get(cloud.http + path, timeout=10).status_code == 404
    assert requests.get(f"{cloud.http}/v2/{PARENT}/jobs", timeout=10).json() == {}


def test_a_reset_forgets_jobs_and_executions(cloud: LocalCloud, run: Clients):
    execution = run.execute(job("true"))
    run.jobs.delete_job(name=JOB).result(timeout=20)
    cloud.admin.reset()
    listing = run_v2.ListJobsRequest(parent=PARENT, show_deleted=True)
    assert list(run.jobs.list_jobs(listing)) == []
    with pytest.raises(exceptions.NotFound):
        run.executions.get_execution(name=execution.name)
