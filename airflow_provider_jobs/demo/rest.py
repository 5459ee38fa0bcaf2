"""A client for Airflow's public REST API: the only way in which the demo and the tests look at Airflow.

It must not read Airflow's database or its files: what it sees is what any user of the API sees.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx
import pendulum

Json = Mapping[str, Any]
Found = TypeVar("Found")

FINISHED_RUN_STATES = frozenset({"success", "failed"})
_LOOK_AGAIN_SECONDS = 0.3
_PAGE = 100


class AirflowApiError(Exception):
    """Airflow answered a request with an error, or did not come to an expected state in time."""


def wait_until(
    condition: Callable[[], Found | None], *, describe: Callable[[], str], timeout_seconds: float
) -> Found:
    """Ask ``condition`` until it answers something true, and return that.

    Raises :class:`AirflowApiError` with the text of ``describe`` when the time is over.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AirflowApiError(f"waited {timeout_seconds:g} s: {describe()}")
        time.sleep(_LOOK_AGAIN_SECONDS)


class AirflowRest:
    """One logged-in user of one Airflow.

    Reads, and writes that set a state, are repeated while the server answers 5xx, for at most
    ``patience_seconds``: SQLite is locked for moments at a time. Other writes are sent once.
    """

    def __init__(self, address: str, *, user: str, password: str, patience_seconds: float = 30.0) -> None:
        self._user = user
        self._password = password
        self._patience_seconds = patience_seconds
        self._client = httpx.Client(base_url=address, timeout=30.0, trust_env=False)

    def close(self) -> None:
        """Close the connections; the object is of no use afterwards."""
        self._client.close()

    def log_in(self) -> None:
        """Exchange the user's name and password for a token that all later requests carry."""
        answer = self._client.post("/auth/token", json={"username": self._user, "password": self._password})
        token = _checked(answer)["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def health(self) -> dict[str, str | None]:
        """Status by component (``metadatabase``, ``scheduler``, ...); all ``None`` while nobody answers."""
        try:
            answer = self._client.get("/api/v2/monitor/health")
        except httpx.TransportError:
            return {}
        if answer.status_code != httpx.codes.OK:
            return {}
        return {name: part["status"] for name, part in answer.json().items() if part}

    def import_errors(self) -> dict[str, str]:
        """Stack traces of the DAG files that could not be read, by file name."""
        return {item["filename"]: item["stack_trace"] for item in self._get("/importErrors")["import_errors"]}

    def plugins(self) -> list[dict[str, Any]]:
        """The plugins that the API server has loaded."""
        return list(self._get("/plugins")["plugins"])

    def page(self, path: str, *, params: Json | None = None, as_nobody: bool = False) -> httpx.Response:
        """Ask for a page beside the public API, as a plugin has them.

        :param as_nobody: without the user's token
        """
        headers = {"Authorization": ""} if as_nobody else {}
        return self._client.get(path, params=params, headers=headers)

    def has_dag(self, dag_id: str) -> bool:
        """Whether the DAG was parsed and can be run."""
        answer = self._client.get(f"/api/v2/dags/{dag_id}")
        return answer.status_code == httpx.codes.OK

    def trigger(self, dag_id: str, *, conf: Json | None = None, run_id: str | None = None) -> str:
        """Start a run now and return its id, which Airflow chooses where none is given."""
        body = {"logical_date": None, "conf": dict(conf or {}), "dag_run_id": run_id}
        run = _checked(self._client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body))
        return str(run["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """``queued``, ``running``, ``success`` or ``failed``."""
        return str(self._get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def has_run(self, dag_id: str, run_id: str) -> bool:
        """Whether the run is there; it is not once it, or its DAG, was deleted."""
        answer = self._read(f"/dags/{dag_id}/dagRuns/{run_id}", {})
        return answer.status_code == httpx.codes.OK

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run as the API shows them, one per map index."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found: list[dict[str, Any]] = []
        while True:
            page = _checked(self._read(path, {"limit": _PAGE, "offset": len(found)}))
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def task_state(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> str | None:
        """State of a task; ``None`` while the scheduler has not looked at it, or has not mapped it."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}"
        answer = self._read(path, {})
        if map_index >= 0 and answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found = _checked(answer)["state"]
        return None if found is None else str(found)

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, *, key: str = "return_value", map_index: int = -1
    ) -> Any:
        """The decoded value; ``None`` where the task pushed nothing under this key."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        answer = self._read(path, {"deserialize": "true", "map_index": map_index})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _checked(answer)["value"]

    def set_variable(self, key: str, value: str) -> None:
        """Make a Variable that is not there yet."""
        _checked(self._client.post("/api/v2/variables", json={"key": key, "value": value}))

    def extra_links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """The links of a task's page by their names, ``None`` where there is nothing to open."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/links"
        links: dict[str, str | None] = _checked(self._read(path, {}))["extra_links"]
        return links

    def log_records(
        self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = -1
    ) -> list[dict[str, Any]]:
        """The structured records of one try, in the order of the UI; empty before it began."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        answer = self._read(path, {"map_index": map_index, "full_content": "true"})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        return [
            record if isinstance(record, dict) else {"event": record}
            for record in _checked(answer)["content"]
        ]

    def log_text(
        self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = -1
    ) -> str:
        """The events of one try, one per line, with the exceptions that the records carry."""
        records = self.log_records(dag_id, run_id, task_id, try_number=try_number, map_index=map_index)
        return "\n".join(line for record in records for line in _lines_of(record))

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear these tasks, so that they run again as a next try."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "reset_dag_runs": True,
        }
        _checked(self._client.post(f"/api/v2/dags/{dag_id}/clearTaskInstances", json=body))

    def mark(self, dag_id: str, run_id: str, task_id: str, *, state: str) -> None:
        """Set a task's state by hand, as a user does in the UI: ``success`` or ``failed``."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        _checked(self._patiently(lambda: self._client.patch(path, json={"new_state": state})))

    def mark_run(self, dag_id: str, run_id: str, *, state: str) -> None:
        """Set the state of a run, and of the tasks that it still waits for, by hand."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
        _checked(self._patiently(lambda: self._client.patch(path, json={"state": state})))

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Remove a run and its task instances from the database; Airflow refuses while it is running."""
        _checked(self._client.delete(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"))

    def delete_dag(self, dag_id: str) -> None:
        """Remove all that the database knows of a DAG; its file brings it back when it is parsed again.

        Airflow refuses while a task of it is in the state running.
        """
        _checked(self._client.delete(f"/api/v2/dags/{dag_id}"))

    def wait_for_dag(self, dag_id: str, *, timeout_seconds: float = 60.0) -> None:
        """Wait until the DAG can be run; raises with the stack trace when its file cannot be read."""

        def parsed() -> bool:
            if self.has_dag(dag_id):
                return True
            errors = self.import_errors()
            if errors:
                raise AirflowApiError("\n".join(f"{name}\n{trace}" for name, trace in errors.items()))
            return False

        wait_until(parsed, describe=lambda: f"DAG {dag_id} was not parsed", timeout_seconds=timeout_seconds)

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout_seconds: float) -> str:
        """Wait for the end of a run and return its state, ``success`` or ``failed``."""

        def finished() -> str | None:
            state = self.run_state(dag_id, run_id)
            return state if state in FINISHED_RUN_STATES else None

        return wait_until(
            finished, describe=lambda: self._tasks_in_words(dag_id, run_id), timeout_seconds=timeout_seconds
        )

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, *, state: str, timeout_seconds: float
    ) -> None:
        """Wait until an unmapped task is in ``state``."""
        wait_until(
            lambda: self.task_state(dag_id, run_id, task_id) == state,
            describe=lambda: f"{task_id} is not {state}; {self._tasks_in_words(dag_id, run_id)}",
            timeout_seconds=timeout_seconds,
        )

    def _tasks_in_words(self, dag_id: str, run_id: str) -> str:
        states = ", ".join(f"{ti['task_id']} {ti['state']}" for ti in self.task_instances(dag_id, run_id))
        return f"run {run_id} of {dag_id} is {self.run_state(dag_id, run_id)}: {states}"

    def _get(self, path: str) -> Any:
        return _checked(self._read(path, {}))

    def _read(self, path: str, params: Mapping[str, Any]) -> httpx.Response:
        return self._patiently(
            lambda: self._client.get(f"/api/v2{path}", params=params, headers={"Accept": "application/json"})
        )

    def _patiently(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """Send again while the server answers 5xx."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            answer = send()
            if not answer.is_server_error or time.monotonic() > deadline:
                return answer
            time.sleep(_LOOK_AGAIN_SECONDS)


def _checked(answer: httpx.Response) -> Any:
    if answer.is_error:
        request = answer.request
        raise AirflowApiError(
            f"{request.method} {request.url.path} answered {answer.status_code}: {answer.text[:2000]}"
        )
    return answer.json() if answer.content else None


def _lines_of(record: Json) -> Iterator[str]:
    yield str(record["event"])
    for error in record.get("error_detail") or ():
        yield f"{error.get('exc_type')}: {error.get('exc_value')}"


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Length of the time between two timestamps of the API, up to now when it has no end yet."""
    if start is None:
        return None
    finish = _instant(end) if end else pendulum.now("UTC")
    return (finish - _instant(start)).total_seconds()


def _instant(text: str) -> pendulum.DateTime:
    parsed = pendulum.parse(text)
    if not isinstance(parsed, pendulum.DateTime):
        raise ValueError(f"not a timestamp: {text!r}")
    return parsed
