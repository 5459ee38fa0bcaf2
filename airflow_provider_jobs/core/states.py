"""The states every service is mapped to. Order matters: a job never goes back."""

from __future__ import annotations

from enum import Enum


class JobState(str, Enum):
    """Where a job is, in the words shared by all backends."""

    SUBMITTED = "SUBMITTED"
    QUEUED = "QUEUED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    LOST = "LOST"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows this state."""
        return self in TERMINAL

    def advance(self, new: JobState) -> JobState:
        """Return ``new``, or this state where ``new`` would be a step back.

        Services report late and out of order; the first terminal state stands.
        """
        if self.is_terminal or _RANK[new] < _RANK[self]:
            return self
        return new


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.LOST})
_ACTIVE = (JobState.SUBMITTED, JobState.QUEUED, JobState.STARTING, JobState.RUNNING)
_RANK = {state: _ACTIVE.index(state) if state in _ACTIVE else len(_ACTIVE) for state in JobState}
