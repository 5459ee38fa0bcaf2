"""What a fault was seen to do: one row of the table, in numbers that must all be zero but the runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """The outcome of all runs of one fault on one backend.

    :param fault: what was done, as a person would say it
    :param backend: whose jobs they were
    :param runs: how often it was done
    :param duplicates: jobs beyond the first that a task instance was given
    :param orphans: jobs that still run although no task instance waits for them
    :param lost: task instances that ended without the result of their job
    :param false_failures: task instances that failed although their job did not
    """

    fault: str
    backend: str
    runs: int
    duplicates: int = 0
    orphans: int = 0
    lost: int = 0
    false_failures: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.duplicates or self.orphans or self.lost or self.false_failures)
