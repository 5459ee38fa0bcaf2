"""What keeps an execution from starting, as Cloud Run's conditions tell of it.

It exists so that a rule of the admin API can name a reason. It must not hold state. The reasons are those of
https://docs.cloud.google.com/run/docs/reference/rest/v2/Condition; the sentences about images, secrets and
quota are those of the service's errors in public threads on deployments, the others are chosen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.emulator.progress import Stage

_Common = run_v2.Condition.CommonReason
_Execution = run_v2.Condition.ExecutionReason


class Hindrance(NamedTuple):
    """One condition that is not met.

    :param kind: its type
    :param message: may name the ``{image}``
    :param common: its reason, 0 for none
    :param execution: its reason as an execution's own, 0 for none
    """

    kind: str
    message: str
    common: int = 0
    execution: int = 0


_KNOWN: Mapping[str, Hindrance] = {
    "quota": Hindrance(
        "ResourcesAvailable", "Quota exceeded for total allowable CPU per project per region."
    ),
    "gpu": Hindrance("ResourcesAvailable", "No GPU is available in this region for this execution."),
    "image_missing": Hindrance(
        "ContainerReady", "Image '{image}' not found.", common=_Common.CONTAINER_MISSING
    ),
    "image_denied": Hindrance(
        "ContainerReady",
        "Google Cloud Run Service Agent service-1@serverless-robot-prod.iam.gserviceaccount.com must have "
        "permission to read the image, {image}. Ensure that the provided container image URL is correct and "
        "that the above account has permission to access the image.",
        common=_Common.CONTAINER_PERMISSION_DENIED,
    ),
    "image_policy": Hindrance(
        "ContainerReady",
        "Container image '{image}' is not authorized by policy.",
        common=_Common.CONTAINER_IMAGE_UNAUTHORIZED,
    ),
    "secret": Hindrance(
        "ResourcesAvailable",
        "Permission denied on secret: projects/1/secrets/token/versions/latest for Revision service account "
        "1-compute@developer.gserviceaccount.com. The service account used must be granted the 'Secret "
        "Manager Secret Accessor' role (roles/secretmanager.secretAccessor) at the secret, project or higher "
        "level.",
        common=_Common.SECRETS_ACCESS_CHECK_FAILED,
    ),
    "encryption_key": Hindrance(
        "ResourcesAvailable",
        "The encryption key cannot be used.",
        common=_Common.ENCRYPTION_KEY_PERMISSION_DENIED,
    ),
    "network": Hindrance(
        "ResourcesAvailable", "The VPC network was not found.", common=_Common.VPC_NETWORK_NOT_FOUND
    ),
    "retry": Hindrance(
        "ResourcesAvailable", "System will retry after a delay.", common=_Common.POSTPONED_RETRY
    ),
    "delayed_start": Hindrance(
        "Started", "The start of the execution is delayed.", execution=_Execution.DELAYED_START_PENDING
    ),
}

#: Which reasons a rule may give, by the step that they keep an execution from.
WORDS: Mapping[Stage, tuple[str, ...]] = {Stage.SCHEDULED: tuple(_KNOWN)}


def show(word: str, conditions: list[pb.Condition], *, image: str) -> None:
    """Let the condition that is not met say so."""
    hindrance = _KNOWN[word]
    condition = next(each for each in conditions if each.type_ == hindrance.kind)
    condition.message = hindrance.message.format(image=image)
    if hindrance.common:
        condition.reason = hindrance.common
    if hindrance.execution:
        condition.execution_reason = hindrance.execution
