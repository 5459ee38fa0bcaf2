"""Ends that were seen in a describe of which a later call failed.

A job that has failed costs calls of its own, and thousands may fail together. Where the service refuses one
of those calls, the answers before it are not asked for again: how a job has ended does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.models import JobHandle, JobReport

ThingT = TypeVar("ThingT")

MAX_KEPT = 20_000


class Ends:
    """Makes reports, and keeps those of ends until they could be told. May be used from several threads."""

    def __init__(self, *, most: int = MAX_KEPT) -> None:
        self._most = most
        self._kept: dict[str, JobReport] = {}

    def reports(
        self,
        handles: Sequence[JobHandle],
        find: Callable[[Sequence[JobHandle]], Mapping[str, ThingT]],
        report: Callable[[JobHandle, ThingT | None], JobReport],
    ) -> Iterator[JobReport]:
        """Yield one report for every handle, in their order; each is made when it is taken.

        :param find: asks for what there is, by native id
        :param report: makes the report of one; may ask for more
        """
        ends, self._kept = self._kept, {}
        try:
            found = find([handle for handle in handles if handle.native_id not in ends])
            for handle in handles:
                told = ends.get(handle.native_id) or report(handle, found.get(handle.native_id))
                if told.state is not None and told.state.is_terminal:
                    ends[handle.native_id] = told
                yield told
        except JobsError:
            self._kept = dict(islice({**self._kept, **ends}.items(), self._most))
            raise
