"""The forms of Google Cloud that arguments must have, each written once as an annotated type.

Checked when a DAG is parsed, so nothing here imports a Google package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from airflow_provider_jobs.core.arguments import form

_REGION_FORM = re.compile(r"[a-z]+-[a-z]+\d+")
_PROJECT_FORM = re.compile(r"(?:[a-z0-9.-]+:)?[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ACCOUNT_FORM = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
# https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions
_SECRET_FORM = re.compile(r"projects/[^/\s]+/secrets/[A-Za-z0-9_-]+/versions/(?:\d+|[A-Za-z][\w-]*)")
_RESERVED_LABEL = re.compile(
    r"goog(le)?-|airflow-(job-key|job-spec|dag-id|task-id|run-id|attempt|map-index)$|managed-by$"
)
_MAX_LABEL = 63
_MAX_USER_LABELS = 50


def _secret_references(value: Any) -> Any:
    """Refuse what is no reference to Secret Manager; never shows it, since it may be the secret itself."""
    for name, reference in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(reference, str) or not _SECRET_FORM.fullmatch(reference):
            raise ValueError(
                f"{name} holds no reference to a secret. "
                "Write projects/<project>/secrets/<secret>/versions/<version or latest>"
            )
    return value


def _google_labels(value: Any) -> Any:
    """Keep the rules of https://cloud.google.com/compute/docs/labeling-resources#requirements"""
    labels = value if isinstance(value, Mapping) else {}
    if len(labels) > _MAX_USER_LABELS:
        raise ValueError(f"{len(labels)} labels are too many. Keep {_MAX_USER_LABELS} of them")
    for name, text in labels.items():
        if not _is_label(name) or not name[:1].isalpha():
            raise ValueError(
                f"{name!r} is no label name of Google Cloud. Begin with a lower case letter and go on with "
                "at most 62 lower case letters, digits, dashes and underscores"
            )
        if not _is_label(text):
            raise ValueError(
                f"{name} has the value {text!r}. "
                "Write at most 63 lower case letters, digits, dashes and underscores"
            )
        if _RESERVED_LABEL.match(name):
            raise ValueError(f"{name} is set by the service or by this provider. Use another name")
    return value


def _is_label(text: Any) -> bool:
    return (
        isinstance(text, str)
        and len(text) <= _MAX_LABEL
        and all(char in "_-" or (char.isalnum() and char == char.lower()) for char in text)
    )


SecretReferences = Annotated[dict[str, str], BeforeValidator(_secret_references)]
GoogleLabels = Annotated[dict[str, str], BeforeValidator(_google_labels)]
Region = Annotated[str, form(_REGION_FORM, 'a region such as "europe-west1"')]
Project = Annotated[str, form(_PROJECT_FORM, "a project id of lower case letters, digits and dashes")]
Account = Annotated[
    str, form(_ACCOUNT_FORM, "a service account such as name@project.iam.gserviceaccount.com")
]


class GoogleScope(BaseModel):
    """Where a job runs and as whom the service is called; the texts of a backend reference's scope.

    :param project_id: the connection's where it is ``None``
    :param impersonation_chain: service accounts from the first to the last, separated by commas
    """

    model_config = ConfigDict(extra="forbid")

    project_id: Project | None = None
    impersonation_chain: str | None = None

    @property
    def chain(self) -> list[str] | None:
        """The accounts of the chain."""
        accounts = [account.strip() for account in (self.impersonation_chain or "").split(",")]
        return [account for account in accounts if account] or None
