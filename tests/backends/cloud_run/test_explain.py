"""Why an execution waits, in words that a person can act on."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud.run_v2 import Condition, Execution

from airflow_provider_jobs.backends.cloud_run.explain import explain

State, Reason, Common = Condition.State, Condition.ExecutionReason, Condition.CommonReason


def waiting(message: str = "", *, kind: str = "ResourcesAvailable", **fields: Any) -> Execution:
    """Return an execution that waits for one thing."""
    return Execution(
        conditions=[
            Condition(type_="Completed", state=State.CONDITION_RECONCILING, message="Waiting for execution."),
            Condition(type_=kind, state=State.CONDITION_RECONCILING, message=message, **fields),
        ]
    )


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (waiting("Quota exceeded for total allowable CPU"), ["higher quota", "1,000 executions"]),
        (waiting("No GPU available in this region"), ["GPU", "gpu_zonal_redundancy=False"]),
        (waiting("Failed to allocate IP address in subnet"), ["no address left", "subnetwork"]),
        (
            waiting("Importing", kind="ContainerReady", reason=Common.CONTAINER_PERMISSION_DENIED),
            ["roles/artifactregistry.reader", "CONTAINER_PERMISSION_DENIED: Importing", "ContainerReady"],
        ),
        (waiting(reason=Common.SECRETS_ACCESS_CHECK_FAILED), ["roles/secretmanager.secretAccessor"]),
        (waiting(reason=Common.ENCRYPTION_KEY_PERMISSION_DENIED), ["cryptoKeyEncrypterDecrypter"]),
        (waiting(reason=Common.VPC_NETWORK_NOT_FOUND), ["Check network and subnetwork"]),
        (waiting(kind="Retry", reason=Common.POSTPONED_RETRY), ["tries again", "POSTPONED_RETRY"]),
    ],
)
def test_what_the_service_says_is_told_with_what_to_do(made: Execution, words: list[str]) -> None:
    told = explain(made)
    assert told is not None
    assert [word for word in words if word not in told] == []


def test_a_condition_that_is_met_is_no_reason() -> None:
    met = Condition(
        type_="ContainerReady", state=State.CONDITION_SUCCEEDED, message="Imported container image."
    )
    assert explain(Execution(conditions=[met])) is None


def test_a_service_that_says_nothing_is_not_guessed_at() -> None:
    assert explain(waiting("Provisioning.")) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"running_count": 1},
        {"conditions": [Condition(type_="Completed", state=State.CONDITION_SUCCEEDED)]},
        {"conditions": [Condition(type_="Completed", state=State.CONDITION_FAILED, message="quota")]},
        {
            "conditions": [
                Condition(
                    type_="Completed",
                    state=State.CONDITION_RECONCILING,
                    execution_reason=Reason.CANCELLING,
                    message="quota",
                )
            ]
        },
    ],
)
def test_an_execution_that_does_not_wait_is_not_explained(fields: dict[str, Any]) -> None:
    assert explain(Execution(**fields)) is None
