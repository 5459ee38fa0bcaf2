"""Job definitions that are registered from a spec: named by what they hold, and reused while unchanged.

Two runs that register the same definition at once give two revisions that hold the same; either will do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from airflow_provider_jobs.core.identity import slug

NAME_LENGTH = 128
_PREFIX = "airflow"
_DIGEST_LENGTH = 16


class DefinitionCalls(Protocol):
    """The two calls that are made, as the hook has them."""

    def describe_job_definitions(self, *, name: str, status: str) -> Iterator[dict[str, Any]]:
        """Yield the revisions of a name."""

    def register_job_definition(self, **definition: Any) -> dict[str, Any]:
        """Register the next revision."""


def definition_name(definition: Mapping[str, Any]) -> str:
    """Return the name of a definition; it differs where anything in the definition does."""
    text = json.dumps(definition, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
    room = NAME_LENGTH - len(_PREFIX) - _DIGEST_LENGTH - 2
    readable = slug(_image(definition).rpartition("/")[2])[:room].strip("-") or "job"
    return f"{_PREFIX}-{readable}-{digest}"


def ensure(hook: DefinitionCalls, definition: Mapping[str, Any]) -> str:
    """Return the ARN of an active revision that holds this, registered now where there is none."""
    name = definition["jobDefinitionName"]
    for found in hook.describe_job_definitions(name=name, status="ACTIVE"):
        return str(found["jobDefinitionArn"])
    return str(hook.register_job_definition(**definition)["jobDefinitionArn"])


def _image(value: Any) -> str:
    """Return the first image that a definition names."""
    if isinstance(value, Mapping):
        if isinstance(image := value.get("image"), str):
            return image
        value = list(value.values())
    if isinstance(value, list):
        return next((image for each in value if (image := _image(each))), "")
    return ""
