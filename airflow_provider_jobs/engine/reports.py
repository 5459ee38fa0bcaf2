"""What a job reports of itself with markers: its results, its progress, its events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pendulum

from airflow_provider_jobs.core.markers import Marker
from airflow_provider_jobs.core.models import JobEvent
from airflow_provider_jobs.core.progress import JobProgress
from airflow_provider_jobs.engine.listening import Listener

# They cross into a worker with the outcome, in one row of Airflow's database.
MOST_EVENT_BYTES = 256 * 1024


class MarkerReports:
    """Takes the markers of one job.

    :param size: how many indexes it has
    :ivar outputs: results by index; of a name that is reported twice the later value counts
    :ivar events: in the order in which they were read, as far as there is room
    """

    def __init__(self, listener: Listener, size: int) -> None:
        self.outputs: dict[int, dict[str, Any]] = {}
        self.events: list[JobEvent] = []
        self._listener = listener
        self._size = size
        self._event_room = MOST_EVENT_BYTES
        self._fractions: dict[int, float] = {}
        self._sum_of_fractions = 0.0

    def take(self, marker: Marker, index: int, *, at: datetime) -> None:
        """Take what an index has reported.

        :param at: the time of its line
        """
        if marker.outputs:
            self.outputs.setdefault(index, {}).update(marker.outputs)
        if marker.progress is not None:
            self._listener.progress(self._progress(index, marker.progress, marker.message, at=at))
        if marker.event is not None:
            self._keep(JobEvent(index=index, event=marker.event))

    def _progress(self, index: int, fraction: float, message: str | None, *, at: datetime) -> JobProgress:
        """Return how far the whole job is, now that one index is so far."""
        self._sum_of_fractions += fraction - self._fractions.get(index, 0.0)
        self._fractions[index] = fraction
        reported = len(self._fractions)
        return JobProgress(
            at=pendulum.instance(at),
            # A sum of differences may leave the range by a rounding error.
            fraction=min(1.0, max(0.0, self._sum_of_fractions / max(self._size, reported))),
            index=index,
            index_fraction=fraction,
            message=message,
            reported=reported,
        )

    def _keep(self, event: JobEvent) -> None:
        """Hand an event on, and keep it while there is room."""
        self._listener.event(event)
        if self._event_room < 0:
            return
        self._event_room -= len(event.model_dump_json())
        if self._event_room >= 0:
            self.events.append(event)
        else:
            self._listener.note(
                f"The job has reported more events than can be kept ({MOST_EVENT_BYTES} bytes)", warning=True
            )
