"""What is counted over the runs of one fault, and where it went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from tests.faults.orders import Told
from tests.faults.rows import Row
from tests.faults.witness import CloudJob

_SHOWN = 8


@dataclass
class Tally:
    """The runs of one fault on one operator.

    :param kills: runs in which a process was struck at a point
    :param twins: jobs beyond the first that were cancelled before they had begun, where the service leaves
        no better way
    :param findings: per run that is not clean: where the process was struck, and what came of it
    """

    fault: str
    backend: str
    runs: int = 0
    kills: int = 0
    duplicates: int = 0
    orphans: int = 0
    lost: int = 0
    false_failures: int = 0
    twins: int = 0
    findings: list[str] = field(default_factory=list)

    def row(self) -> Row:
        """Return the numbers as a row of the table."""
        return Row(
            fault=self.fault,
            backend=self.backend,
            runs=self.runs,
            duplicates=self.duplicates,
            orphans=self.orphans,
            lost=self.lost,
            false_failures=self.false_failures,
        )

    def count(
        self,
        place: str | None,
        *,
        duplicates: int = 0,
        orphans: int = 0,
        lost: Collection[str] = (),
        false_failures: Collection[str] = (),
    ) -> None:
        """Count one run.

        :param place: where a process was struck, ``None`` where it was not
        :param lost: a sentence for each task instance that lost its job
        :param false_failures: a sentence for each task instance that failed and should not have
        """
        self.runs += 1
        self.kills += place is not None
        self.duplicates += duplicates
        self.orphans += orphans
        self.lost += len(lost)
        self.false_failures += len(false_failures)
        words = [f"{duplicates} duplicates"] * bool(duplicates) + [f"{orphans} orphans"] * bool(orphans)
        words += [f"lost: {each}" for each in lost]
        words += [f"false failure: {each}" for each in false_failures]
        if words:
            self.findings.append(f"{place or 'not struck'} -> {'; '.join(words)}")

    def report(self) -> str:
        """Return where it went wrong, the most frequent first, for a person."""
        found = Counter(self.findings).most_common()
        lines = [f"  {times} x {finding}" for finding, times in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"  and {len(found) - _SHOWN} other places")
        return "\n".join([f"{self.fault}, {self.backend}: {self.row()}", *lines])


def why_lost(told: Told, jobs: Collection[CloudJob], *, size: int) -> list[str]:
    """Return why a task instance has lost its job, in a sentence; nothing where it waits for a good one."""
    if told.ending != "deferred":
        return [f"{told.ending}: {told.error}\n{told.log}"]
    waited_for = [job for job in jobs if job.native_id == told.native_id]
    if not waited_for:
        return [f"it waits for {told.native_id}, which does not exist"]
    (job,) = waited_for
    if job.state == "over":
        return [f"it waits for {told.native_id}, which was cancelled"]
    return [f"its job has {job.size} of {size} tasks"] if job.size != size else []
