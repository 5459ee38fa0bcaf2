"""What a task leaves in XCom: the record of its job, and its result, which may be too large for that."""

from __future__ import annotations

import json
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, conf

from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.models import JobOutcome

SECTION = "airflow_provider_jobs"
#: A result of ten thousand indexes with a number each has room in it.
MAX_RESULT_BYTES = 1024 * 1024


class ResultTooLarge(JobsError):
    """A job has reported more than XCom shall hold, and no other place is configured."""


def success_xcoms(outcome: JobOutcome, ti: Any) -> dict[str, Any]:
    """Return the record under ``job``, and the result under ``return_value`` where there is one. Blocking.

    A result over ``[airflow_provider_jobs] max_result_bytes`` is written below ``storage_path``, and what
    stands in its place is ``{"object_storage_path": "..."}``. Idempotent: the path follows from the task
    instance.

    :raises ResultTooLarge: no ``storage_path`` is set
    """
    xcoms: dict[str, Any] = {"job": outcome.summary().model_dump(mode="json")}
    result = outcome.result()
    if result is None:
        return xcoms
    text = json.dumps(result)
    most = conf.getint(SECTION, "max_result_bytes", fallback=MAX_RESULT_BYTES)
    xcoms["return_value"] = result if len(text) <= most else {"object_storage_path": _stored(text, ti, most)}
    return xcoms


def _stored(text: str, ti: Any, most: int) -> str:
    base = conf.get(SECTION, "storage_path", fallback="")
    if not base:
        raise ResultTooLarge(
            f"The job has succeeded, but its result of {len(text)} bytes is over the {most} of"
            f" [{SECTION}] max_result_bytes. Set [{SECTION}] storage_path to where such results may be"
            " written, or let the job report less"
        )
    map_index = -1 if ti.map_index is None else ti.map_index
    place = ObjectStoragePath(base) / ti.dag_id / ti.run_id / ti.task_id / str(map_index)
    place.mkdir(parents=True, exist_ok=True)
    file = place / "return_value.json"
    file.write_text(text)
    return str(file)
