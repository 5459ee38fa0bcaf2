"""One place where a job may go."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow_provider_jobs.core.models import BackendRef
    from airflow_provider_jobs.core.spec import JobSpec


class Target(NamedTuple):
    """One place, and the job as it is submitted there.

    :param maps_indexes: whether a part of its array can run there under the original indexes
    """

    spec: JobSpec
    ref: BackendRef
    maps_indexes: bool = True
