"""Where a job may go: the places in order, and which of them takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from airflow_provider_jobs.core.errors import NoCapacity
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.core.target import Target
from airflow_provider_jobs.engine.asking import Service
from airflow_provider_jobs.engine.calls import OpenBackend
from airflow_provider_jobs.engine.claims import Claim
from airflow_provider_jobs.engine.records import RecordStore
from airflow_provider_jobs.engine.submission import Submission, Submitter


@dataclass(frozen=True)
class Terms:
    """How a task wants its job submitted.

    :param parts: whether a retry of an array submits only what has not succeeded
    :param withdraws: whether a job is cancelled whose submission a time limit breaks off
    :param is_stopped: whether the task was killed, so that nothing may be sent any more
    :param note: takes a sentence for the log
    """

    note: Callable[[str], None]
    parts: bool = True
    withdraws: bool = True
    is_stopped: Callable[[], bool] = lambda: False


def targets_from(targets: Sequence[Target], ref: BackendRef) -> Sequence[Target]:
    """Return the targets from the one on whose backend a reference names; none where it is none."""
    names = [target.ref.backend for target in targets]
    return targets[names.index(ref.backend) :] if ref.backend in names else ()


def submit_to_first(
    targets: Sequence[Target],
    *,
    claim: Claim,
    store: RecordStore | None,
    open_backend: OpenBackend,
    reopen: OpenBackend | None = None,
    terms: Terms,
) -> Submission:
    """Return the job at the first target that takes it; one that is there already is found first.

    A target that refuses it for want of capacity or quota holds no job, so the next one is asked.

    :param reopen: opens a backend whose credentials have expired; ``open_backend`` if not given
    :raises NoCapacity: the last one refused it too
    """

    def submitter(target: Target) -> Submitter:
        return Submitter(
            Service(open_backend(target.ref), reopen=lambda: (reopen or open_backend)(target.ref)),
            store,
            parts=terms.parts and target.maps_indexes,
            withdraws=terms.withdraws,
            is_only_place=len(targets) == 1,
            is_stopped=terms.is_stopped,
        )

    if store is None and claim.try_number > 1 and len(targets) > 1:
        for target in targets:
            if running := submitter(target).find_running(target.spec, claim):
                return running
    begin = _first(targets, claim=claim, store=store) if len(targets) > 1 else 0
    for target, following in pairwise(targets[begin:]):
        try:
            return submitter(target).submit_once(target.spec, claim)
        except NoCapacity as error:
            terms.note(
                f"{target.ref.backend} has no room for the job: {error}; {following.ref.backend} is tried"
            )
    return submitter(targets[-1]).submit_once(targets[-1].spec, claim)


def find_own(targets: Sequence[Target], *, claim: Claim, open_backend: OpenBackend) -> JobHandle | None:
    """Return the job that this very try has submitted without a record, or ``None``."""
    for target in targets:
        if handle := Submitter(Service(open_backend(target.ref)), None).find_own(claim):
            return handle
    return None


def _first(targets: Sequence[Target], *, claim: Claim, store: RecordStore | None) -> int:
    """Return where to begin: at the place of the job that this task instance has under way."""
    record = store.load() if store else None
    if record is None or record.generation != claim.generation or record.phase == "ended":
        return 0
    backends = [target.ref.backend for target in targets]
    return backends.index(record.ref.backend) if record.ref and record.ref.backend in backends else 0
