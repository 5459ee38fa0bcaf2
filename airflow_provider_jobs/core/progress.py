"""How far a job is, by its own word: what its indexes report while it runs, and why it does not run yet."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.moments import DateTime
from airflow_provider_jobs.core.wire import Wire


class JobProgress(Wire):
    """What stands in XCom under ``job_progress`` while a job is waited for.

    :param fraction: of the whole job, 0 to 1; an index that has not reported counts as 0, and where none
        has this is ``None``
    :param index: which index has reported last, ``index_fraction`` how far it is, ``message`` what it said
    :param reported: how many indexes have reported
    :param waits_for: why the job has not started, as it was explained last
    :param handle: the job, where it is known to the triggerer alone
    :param try_number: of which try it then is, since Airflow removes what an earlier one left in XCom only
        where a worker begins a try
    """

    version: Literal[1] = 1
    at: DateTime
    fraction: float | None = Field(default=None, ge=0, le=1)
    index: int | None = None
    index_fraction: float | None = None
    message: str | None = None
    reported: int = 0
    waits_for: str | None = None
    handle: JobHandle | None = None
    try_number: int | None = None

    @property
    def is_told(self) -> bool:
        """Return whether it says more than which job it is."""
        return bool(self.reported or self.waits_for)
