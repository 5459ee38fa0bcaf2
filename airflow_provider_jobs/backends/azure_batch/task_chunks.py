"""How tasks are divided into requests. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from azure.batch.models import BatchTaskCreateOptions

from airflow_provider_jobs.backends.azure_batch.options import MAX_BODY_BYTES

# https://learn.microsoft.com/rest/api/batchservice/tasks/create-task-collection
MAX_TASKS_PER_CALL = 100
_AROUND_BYTES = 1000


def split_tasks(tasks: Iterable[BatchTaskCreateOptions]) -> Iterator[list[BatchTaskCreateOptions]]:
    """Yield the tasks in requests of a number and a size that the service takes, in their order.

    A task that is too large alone is a request of its own: the service then says so.
    """
    chunk: list[BatchTaskCreateOptions] = []
    room = MAX_BODY_BYTES - _AROUND_BYTES
    for task in tasks:
        size = len(json.dumps(task.as_dict())) + 1
        if chunk and (size > room or len(chunk) == MAX_TASKS_PER_CALL):
            yield chunk
            chunk, room = [], MAX_BODY_BYTES - _AROUND_BYTES
        chunk.append(task)
        room -= size
    if chunk:
        yield chunk
