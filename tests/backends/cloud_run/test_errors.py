"""The advice of Cloud Run in errors."""

from __future__ import annotations

import grpc
import pytest
from google.api_core import exceptions

from airflow_provider_jobs.backends.cloud_run.errors import RUN
from airflow_provider_jobs.backends.cloud_run.hook import CloudRunHook
from airflow_provider_jobs.core.errors import AmbiguousError, BackendError, NoCapacity, TransientError
from airflow_provider_jobs.google_cloud.errors import to_error


def error_of(code: str, message: str, call: str) -> BackendError:
    """Return our error for the vendor's exception of a code."""
    return to_error(exceptions.from_grpc_status(grpc.StatusCode[code], message), call=call, service=RUN)


@pytest.mark.parametrize(
    ("call", "message", "advice"),
    [
        ("create_job", "denied", "roles/run.developer"),
        ("create_job", "denied", "roles/iam.serviceAccountUser"),
        ("run_job", "denied", "roles/run.developer"),
        ("cancel_execution", "denied", "roles/run.developer"),
        ("get_execution", "denied", "roles/run.viewer"),
        ("list_log_entries", "denied", "roles/logging.viewer"),
        ("get_job", "Cloud Run Admin API has not been used in project 1 before", "run.googleapis.com"),
        (
            "create_job",
            "Permission 'iam.serviceaccounts.actAs' denied on service account",
            "serviceAccountUser",
        ),
    ],
)
def test_a_denied_call_says_what_to_grant(call: str, message: str, advice: str) -> None:
    assert advice in str(error_of("PERMISSION_DENIED", message, call))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("RESOURCE_EXHAUSTED", "Quota exceeded for running executions. Limit: 1000 in region europe-west1"),
        ("RESOURCE_EXHAUSTED", "Quota exceeded for total allowable CPU per project per region."),
        ("INVALID_ARGUMENT", "Quota violated: CpuAllocPerProjectRegion requested: 40000 allowed: 20000"),
    ],
)
@pytest.mark.parametrize("call", ["run_job", "create_job", "update_job"])
def test_a_quota_of_resources_is_no_room(call: str, code: str, message: str) -> None:
    assert type(error_of(code, message, call)) is NoCapacity


@pytest.mark.parametrize("call", sorted(RUN.changing))
def test_a_change_whose_answer_never_came_is_ambiguous(call: str) -> None:
    assert isinstance(error_of("UNAVAILABLE", "connection reset", call), AmbiguousError)


def test_a_job_that_was_changed_at_the_same_time_is_only_a_moments_trouble() -> None:
    error = error_of("ABORTED", "Conflict for resource 'j': version '1' was specified", "run_job")
    assert type(error) is TransientError


def test_every_call_that_is_named_is_one_of_the_hooks() -> None:
    assert [name for name in {*RUN.changing, *RUN.roles} if not hasattr(CloudRunHook, name)] == []
