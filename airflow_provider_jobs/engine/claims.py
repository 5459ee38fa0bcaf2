"""Who submits, what a job says of its submission, and whether a job that is there is the one. Pure.

What decides stands on the job itself, as its stamp, so that a process without any record of its own
decides the same. A record only adds what no service knows: that a failure was reported already.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle, JobReport
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState

_OWNER_LENGTH = 8


class Stamp(NamedTuple):
    """What a job says of its submission.

    :param fingerprint: of the spec
    :param generation: changes when a user clears the task, and only then
    :param owner: differs from submission to submission
    """

    fingerprint: str
    generation: int
    owner: str

    @property
    def text(self) -> str:
        """The stamp in ``[a-z0-9-]``, fit for a label of every service."""
        return f"{self.fingerprint}-{self.generation}-{self.owner}"

    @classmethod
    def read(cls, text: str) -> Stamp | None:
        """Read what :attr:`text` wrote; ``None`` where it is none."""
        match text.split("-"):
            case [fingerprint, generation, owner] if generation.isdigit():
                return cls(fingerprint, int(generation), owner)
        return None


@dataclass(frozen=True)
class Claim:
    """Who submits: one try of a task instance.

    :param key: the task instance's key with the first attempt
    :param try_number: Airflow's, from 1
    :param generation: changes when a user clears the task, and only then
    :param try_id: what no other try has, also not one of a deleted DAG run of the same name
    :param resubmission: how many jobs of this very try were preempted before
    :param jobs_per_try: how many jobs a try may submit at most
    """

    key: JobKey
    try_number: int
    generation: int
    try_id: str
    resubmission: int = 0
    jobs_per_try: int = 1

    def stamp(self, spec: JobSpec) -> Stamp:
        """Return what a job of this claim says of itself."""
        return Stamp(spec.fingerprint, self.generation, self.owner)

    @property
    def owner(self) -> str:
        """A few characters that no other submission of the task instance has."""
        text = f"{self.try_id} {self.resubmission}"
        return hashlib.sha256(text.encode()).hexdigest()[:_OWNER_LENGTH]

    @property
    def is_first(self) -> bool:
        """Whether nothing can have been submitted for the task instance before."""
        return self.try_number == 1 and self.resubmission == 0

    @property
    def earlier_attempts(self) -> int:
        """How many jobs the tries before can have submitted."""
        return (self.try_number - 1) * self.jobs_per_try


@dataclass(frozen=True)
class Found:
    """A job that is there."""

    handle: JobHandle
    report: JobReport

    @property
    def state(self) -> JobState:
        """Where it is; an unknown word counts as submitted."""
        return self.report.state or JobState.SUBMITTED

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return not self.state.is_terminal


@dataclass(frozen=True)
class Known:
    """What is known of a job beyond what its service says.

    :param is_of_this_run: whether a try of this DAG run may have submitted it
    :param is_reported: whether a task has reported its failure already
    :param takes_success: whether a success of an earlier try is the result, since it was not reported
    """

    is_of_this_run: bool
    is_reported: bool = False
    takes_success: bool = True


def is_of(found: Found, claim: Claim) -> bool:
    """Return whether a job was submitted by this very claim."""
    stamp = Stamp.read(found.handle.stamp)
    return stamp is not None and stamp.owner == claim.owner


def why_not(found: Found, claim: Claim, spec: JobSpec, known: Known) -> str | None:
    """Return why a job that was found is not this claim's, or ``None`` where it is."""
    stamp = Stamp.read(found.handle.stamp)
    is_own = is_of(found, claim)
    if stamp is None or not (is_own or known.is_of_this_run):
        return "it was left behind by a deleted DAG run of the same name"
    if stamp.generation != claim.generation:
        return "the task was cleared since"
    if known.is_reported:
        return "its failure was already reported"
    if found.report.cancelling:
        return "it is being cancelled"
    if stamp.fingerprint != spec.fingerprint:
        return "the task's arguments have changed since"
    ended_badly = found.state in (JobState.FAILED, JobState.CANCELLED)
    if not is_own and (ended_badly or not (found.is_active or known.takes_success)):
        return f"it has ended as {found.state.value}"
    return None
