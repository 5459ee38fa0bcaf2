"""Where a job may go: the places in order, and which of them takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from airflow_provider_jobs.core.errors import NoCapacity
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.engine.calls import OpenBackend
from airflow_provider_jobs.engine.submission import Claim, RecordStore, Submission, Submitter


class Target(NamedTuple):
    """One place, and the job as it is submitted there."""

    spec: JobSpec
    ref: BackendRef


def targets_after(targets: Sequence[Target], ref: BackendRef) -> Sequence[Target]:
    """Return the targets that come after the one whose backend a reference names; none where it is none."""
    names = [target.ref.backend for target in targets]
    return targets[names.index(ref.backend) + 1 :] if ref.backend in names else ()


def submit_to_first(
    targets: Sequence[Target],
    *,
    claim: Claim,
    store: RecordStore | None,
    open_backend: OpenBackend,
    note: Callable[[str], None],
) -> Submission:
    """Return the job at the first target that takes it; one that is there already is found first.

    A target that refuses it for want of capacity or quota holds no job, so the next one is asked.

    :param note: takes a sentence for the log
    :raises NoCapacity: the last one refused it too
    """

    def submitter(target: Target) -> Submitter:
        return Submitter(open_backend(target.ref), store)

    if store is None and claim.try_number > 1 and len(targets) > 1:
        for target in targets:
            if running := submitter(target).find_running(claim):
                return running
    begin = _first(targets, claim=claim, store=store)
    for target, following in pairwise(targets[begin:]):
        try:
            return submitter(target).submit_once(target.spec, claim)
        except NoCapacity as error:
            note(f"{target.ref.backend} has no room for the job: {error}; {following.ref.backend} is tried")
    return submitter(targets[-1]).submit_once(targets[-1].spec, claim)


def _first(targets: Sequence[Target], *, claim: Claim, store: RecordStore | None) -> int:
    """Return where to begin: at the place of the job that this task instance has under way."""
    record = store.load() if store else None
    if record is None or record.generation != claim.generation or record.phase == "ended":
        return 0
    backends = [target.ref.backend for target in targets]
    return backends.index(record.ref.backend) if record.ref and record.ref.backend in backends else 0
