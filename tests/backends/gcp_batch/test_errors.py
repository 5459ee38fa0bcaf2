"""The advice of GCP Batch in errors."""

from __future__ import annotations

import grpc
import pytest
from google.api_core import exceptions

from airflow_provider_jobs.backends.gcp_batch.errors import BATCH
from airflow_provider_jobs.backends.gcp_batch.hook import GcpBatchHook
from airflow_provider_jobs.core.errors import AmbiguousError, BackendError
from airflow_provider_jobs.google_cloud.errors import to_error


def error_of(code: str, message: str, call: str) -> BackendError:
    """Return our error for the vendor's exception of a code."""
    return to_error(exceptions.from_grpc_status(grpc.StatusCode[code], message), call=call, service=BATCH)


@pytest.mark.parametrize(
    ("call", "message", "advice"),
    [
        ("create_job", "denied", "roles/batch.jobsEditor"),
        ("create_job", "denied", "roles/iam.serviceAccountUser"),
        ("cancel_job", "denied", "roles/batch.jobsEditor"),
        ("get_job", "denied", "roles/batch.jobsViewer"),
        ("list_log_entries", "denied", "roles/logging.viewer"),
        (
            "get_job",
            "Batch API has not been used in project 1 before or it is disabled",
            "batch.googleapis.com",
        ),
    ],
)
def test_a_denied_call_says_what_to_grant(call: str, message: str, advice: str) -> None:
    assert advice in str(error_of("PERMISSION_DENIED", message, call))


def test_an_invalid_job_id_is_told_the_pattern() -> None:
    error = error_of("INVALID_ARGUMENT", "job_id is invalid", "create_job")
    assert "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$" in str(error)


@pytest.mark.parametrize("call", sorted(BATCH.changing))
def test_a_change_whose_answer_never_came_is_ambiguous(call: str) -> None:
    assert isinstance(error_of("UNAVAILABLE", "connection reset", call), AmbiguousError)


def test_every_call_that_is_named_is_one_of_the_hooks() -> None:
    assert [name for name in {*BATCH.changing, *BATCH.roles} if not hasattr(GcpBatchHook, name)] == []
