"""What a worker hands to an operator, as far as ours read it, and a task state store that outlives it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RUN_ID = "manual__2026-01-01T00:00:00+00:00"
TASK_ID = "t"
MAX_TRIES = 3


class FileStore:
    """A task state store in a file: what was set is there for whoever comes next, whatever dies.

    Like Airflow's own it is one durable value per key, and two writers do not see each other.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key."""
        return self._read().get(key, default)

    def set(self, key: str, value: Any, **_: Any) -> None:
        """Keep a value; it is on the disk when this returns."""
        self._write({**self._read(), key: value})

    def delete(self, key: str) -> None:
        """Forget a key; one that is not there is fine."""
        self._write({name: value for name, value in self._read().items() if name != key})

    def _read(self) -> dict[str, Any]:
        try:
            return json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}

    def _write(self, values: dict[str, Any]) -> None:
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with new.open("w") as file:
            json.dump(values, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


@dataclass
class TaskInstance:
    """A try of a task. ``id`` is another for every try, as in Airflow."""

    dag_id: str
    id: str
    try_number: int
    run_id: str = RUN_ID
    task_id: str = TASK_ID
    map_index: int = -1
    max_tries: int = MAX_TRIES
    start_date: datetime = field(default_factory=partial(datetime.now, timezone.utc))
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        """Take a value."""
        self.pushed[key] = value


def make_context(ti: TaskInstance, operator: Any, store: FileStore | None) -> dict[str, Any]:
    """Return the context of a try.

    :param store: ``None`` for Airflow below 3.3, whose context has no such thing
    """
    run = SimpleNamespace(dag_id=ti.dag_id, run_id=ti.run_id, conf={}, clear_number=0)
    context = {"ti": ti, "task_instance": ti, "task": operator, "dag": operator.dag, "dag_run": run}
    return {**context, "run_id": ti.run_id} | ({} if store is None else {"task_state_store": store})
