"""What each example DAG promises, and which of that was not kept.

Promises stand in ``dags/promises.json``, apart from the DAG files, so that those read like any user's DAG.
This module compares texts and values; it must not know Airflow or a backend.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

FILE_NAME = "promises.json"


class TaskPromise(BaseModel):
    """How one task ends.

    :param state: Airflow's state of the task
    :param backend: where its job runs; none for a task of Airflow alone
    :param array: indexes that succeed and indexes there are, as ``7/8``
    :param returns: its ``return_value``; not looked at when absent
    :param log_contains: texts in its log
    :param error_contains: texts in the exception that ended it
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: str
    backend: str | None = None
    array: str | None = None
    returns: Any = None
    log_contains: tuple[str, ...] = ()
    error_contains: tuple[str, ...] = ()


class DagPromise(BaseModel):
    """What an example shows, in words, and how its tasks end."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    says: str
    tasks: dict[str, TaskPromise]


class Outcome(BaseModel):
    """How one task did end, in the words of :class:`TaskPromise`."""

    state: str | None
    backend: str | None = None
    array: str | None = None
    returned: Any = None
    log: str = ""
    error: str = ""


def load_promises(dags_folder: Path) -> dict[str, DagPromise]:
    """The promises of a folder of DAGs, by DAG id.

    :raises FileNotFoundError: there is no such file
    :raises pydantic.ValidationError: a promise is not one
    """
    text = (dags_folder / FILE_NAME).read_text(encoding="utf-8")
    return TypeAdapter(dict[str, DagPromise]).validate_python(json.loads(text))


def broken(promise: TaskPromise, outcome: Outcome) -> list[str]:
    """What was promised and did not happen, one line each; empty when the promise was kept."""
    return list(_differences(promise, outcome))


def _differences(promise: TaskPromise, outcome: Outcome) -> Iterator[str]:
    if outcome.state != promise.state:
        yield f"state is {outcome.state}, promised is {promise.state}"
    if outcome.backend != promise.backend:
        yield f"backend is {outcome.backend}, promised is {promise.backend}"
    if outcome.array != promise.array:
        yield f"array is {outcome.array}, promised is {promise.array}"
    if promise.returns is not None and outcome.returned != promise.returns:
        yield f"returned {outcome.returned!r}, promised is {promise.returns!r}"
    for text in promise.log_contains:
        if text not in outcome.log:
            yield f"log does not say {text!r}"
    for text in promise.error_contains:
        if text not in outcome.error:
            yield f"exception does not say {text!r}"
