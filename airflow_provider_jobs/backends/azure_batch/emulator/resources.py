"""What pools, jobs, tasks and nodes have in common: an age, a version, a state and the one before.

It exists so that all of them change and tell of it alike. It must not know what a state means.
"""

from __future__ import annotations

from typing import Any

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator.catalogue import Catalogue
from airflow_provider_jobs.backends.azure_batch.emulator.wire import etag, timestamp

#: Properties of jobs and tasks that are told without a look at what was asked for.
SHORT = frozenset(
    {"id", "state", "stateTransitionTime", "previousState", "previousStateTransitionTime", "executionInfo"}
)


class Resource:
    """A thing with a state and a version; a change of state alone keeps the version."""

    __slots__ = (
        "catalogue", "created_at", "modified_at", "previous_state", "previous_state_at", "state", "state_at",
    )  # fmt: skip

    def __init__(self, state: str) -> None:
        self.created_at = self.modified_at = self.state_at = pendulum.now("UTC")
        self.state = state
        #: Where it is listed, if by its state, too.
        self.catalogue: Catalogue[Any] | None = None
        self.previous_state: str | None = None
        self.previous_state_at: pendulum.DateTime | None = None

    @property
    def etag(self) -> str:
        return etag(self.modified_at)

    def touch(self) -> None:
        """Note that a caller has changed it: a new version."""
        self.modified_at = pendulum.now("UTC")

    def move(self, state: str) -> None:
        """Change the state. The present state again changes nothing."""
        if state != self.state:
            self.previous_state, self.previous_state_at = self.state, self.state_at
            self.state, self.state_at = state, pendulum.now("UTC")
            if self.catalogue is not None:
                self.catalogue.moved(self, self.previous_state)

    def version(self) -> dict[str, Any]:
        """Entity tag and times, as every resource with a version has them."""
        return {
            "eTag": self.etag,
            "lastModified": timestamp(self.modified_at),
            "creationTime": timestamp(self.created_at),
        }

    def states(self) -> dict[str, Any]:
        """The state and the one before."""
        told = {"state": self.state, "stateTransitionTime": timestamp(self.state_at)}
        if self.previous_state is not None and self.previous_state_at is not None:
            told["previousState"] = self.previous_state
            told["previousStateTransitionTime"] = timestamp(self.previous_state_at)
        return told


def without_secrets(body: dict[str, Any]) -> dict[str, Any]:
    """The body of a task as the service gives it back: the password of a registry stays with the service."""
    registry = (body.get("containerSettings") or {}).get("registry")
    if registry:
        registry.pop("password", None)
    return body
