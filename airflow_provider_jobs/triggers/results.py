"""What a task leaves in XCom: the record of its job, and its result, which may be too large for that."""

from __future__ import annotations

import json
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.models import JobOutcome
from airflow_provider_jobs.operators.storage import SECTION, storage_path, task_directory

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
    xcoms["return_value"] = kept(result, ti, "return_value.json")
    return xcoms


def kept(value: Any, ti: Any, name: str) -> Any:
    """Return what stands in XCom for a value: itself, or where it was written if it is too large. Blocking.

    :param name: of the file that it is written to
    :raises ResultTooLarge: no ``storage_path`` is set
    """
    text = json.dumps(value)
    most = conf.getint(SECTION, "max_result_bytes", fallback=MAX_RESULT_BYTES)
    if len(text) <= most:
        return value
    if not storage_path():
        raise ResultTooLarge(
            f"The job has succeeded, but its result of {len(text)} bytes is over the {most} of"
            f" [{SECTION}] max_result_bytes. Set [{SECTION}] storage_path to where such results may be"
            " written, or let the job report less"
        )
    place = task_directory(ti)
    place.mkdir(parents=True, exist_ok=True)
    file = place / name
    file.write_text(text)
    return {"object_storage_path": str(file)}
