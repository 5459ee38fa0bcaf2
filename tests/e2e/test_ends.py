"""Whatever ends a task: its job is cancelled with all its indexes, or left where that is promised."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import AirflowApiError, AirflowRest, wait_until
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.e2e.tasks import TaskOfRun

pytestmark = pytest.mark.timeout(300)

# What ends a task, and the state in which it is then; None where its run is gone.
ENDS: dict[str, str | None] = {
    "marked_failed": "failed",
    "marked_success": "success",
    "cleared": "deferred",
    "out_of_time": "failed",
    "out_of_patience": "failed",
    "run_out_of_time": "skipped",
    "run_set_failed": "failed",
    "run_deleted": None,
    "dag_deleted": None,
    "marked_while_it_submits": "failed",
    "worker_ended_while_it_submits": "failed",
}
RUNS_OF_THEIR_OWN = {
    "run_out_of_time": "e2e_ends_run_timeout",
    "run_set_failed": "e2e_ends_run",
    "run_deleted": "e2e_ends_run",
    "dag_deleted": "e2e_ends_dag",
}
ENDED_BY_HAND = (
    "marked_failed",
    "marked_success",
    "cleared",
    "left",
    "run_set_failed",
    "run_deleted",
    "dag_deleted",
)
CANCELLED = ("cancelled", "failed")  # AWS Batch calls a job failed whose indexes were terminated
SUBMITS = "e2e_ends_submits"
CANCELLED_WITHIN_SECONDS = 75.0  # from the last end by hand; those by time come up to 45 seconds later
ENDED_WITHIN_SECONDS = 60.0
SUBMIT_TAKES_SECONDS = 3.0
CANCEL_TAKES_SECONDS = 2.5  # longer than the second after which Airflow disturbs a trigger's on_kill


@dataclass(frozen=True)
class Seen:
    """A task after its end, and its first job as the admin API shows it."""

    state: str | None
    job: dict[str, Any]


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the runs are told: a gate, which opens when all is over."""
    gate = tmp_path_factory.mktemp("ends") / "gate"
    yield {"gate": str(gate)}
    gate.touch()


@pytest.fixture(scope="module")
def seen(airflow: LocalAirflow, cloud: LocalCloud, conf: dict[str, str]) -> dict[str, Seen]:
    """Every task after its end, once its job is cancelled or should have been."""
    rest = airflow.rest
    with _held_up(cloud):
        tasks = _start(rest, conf)
        for name in ENDED_BY_HAND:
            _wait_for_lines(rest, tasks[name])
        _end_by_hand(rest, tasks)
        for name, end in (
            ("marked_while_it_submits", lambda task: rest.mark(*task.place, state="failed")),
            ("worker_ended_while_it_submits", lambda task: _end_worker(airflow, task)),
        ):
            tasks[name] = _submitting(rest, cloud, conf)
            end(tasks[name])
        _delete(rest, tasks)
        _wait_for_cancels(airflow, cloud, tasks)
    tasks["cleared_again"] = replace(tasks["cleared"], attempt=2)
    return {name: Seen(_state(rest, task), task.job(cloud) or {}) for name, task in tasks.items()}


@contextlib.contextmanager
def _held_up(cloud: LocalCloud) -> Iterator[None]:
    """One job finds no machine, submissions to AWS Batch take a while, and so do cancels on GCP Batch."""
    rule = cloud.admin.hold("scheduled", job="*out-of-patience*")
    cloud.admin.add_fault(method="*BatchService/CancelJob", delay_seconds=CANCEL_TAKES_SECONDS)
    cloud.admin.add_fault(method="*SubmitJob", delay_seconds=SUBMIT_TAKES_SECONDS)
    yield
    cloud.admin.clear_faults()
    cloud.admin.release(rule)


def _start(rest: AirflowRest, conf: dict[str, str]) -> dict[str, TaskOfRun]:
    for dag_id in {"e2e_ends", SUBMITS, *RUNS_OF_THEIR_OWN.values()}:
        rest.wait_for_dag(dag_id)
    tasks = {
        name: TaskOfRun(dag_id, rest.trigger(dag_id, conf=conf), "wait")
        for name, dag_id in RUNS_OF_THEIR_OWN.items()
    }
    run_id = rest.trigger("e2e_ends", conf=conf)
    shared = ("marked_failed", "marked_success", "cleared", "left", "out_of_time", "out_of_patience")
    return tasks | {name: TaskOfRun("e2e_ends", run_id, name) for name in shared}


def _wait_for_lines(rest: AirflowRest, task: TaskOfRun) -> None:
    """Wait until the triggerer follows the job: of a run that is deleted before, nobody hears."""
    wait_until(
        lambda: all(f"index {index} says line 0" in rest.log_text(*task.place) for index in range(3)),
        describe=lambda: f"no line of every index of {task}",
        timeout_seconds=90,
    )


def _end_by_hand(rest: AirflowRest, tasks: dict[str, TaskOfRun]) -> None:
    rest.mark(*tasks["marked_failed"].place, state="failed")
    rest.mark(*tasks["marked_success"].place, state="success")
    rest.mark(*tasks["left"].place, state="failed")
    rest.clear(*tasks["cleared"].place)
    rest.mark_run(tasks["run_set_failed"].dag_id, tasks["run_set_failed"].run_id, state="failed")


def _delete(rest: AirflowRest, tasks: dict[str, TaskOfRun]) -> None:
    run = tasks["run_deleted"]
    rest.mark_run(run.dag_id, run.run_id, state="failed")  # Airflow refuses to delete one that is running
    rest.delete_run(run.dag_id, run.run_id)
    rest.delete_dag(tasks["dag_deleted"].dag_id)


def _submitting(rest: AirflowRest, cloud: LocalCloud, conf: dict[str, str]) -> TaskOfRun:
    """A task whose submission is under way."""
    before = _begun_submissions(cloud)
    task = TaskOfRun(SUBMITS, rest.trigger(SUBMITS, conf=conf), "wait")
    wait_until(
        lambda: _begun_submissions(cloud) > before,
        describe=lambda: f"{task} has not begun to submit",
        timeout_seconds=60,
    )
    return task


def _begun_submissions(cloud: LocalCloud) -> int:
    counted = cloud.admin.counters().items()
    return sum(each["calls"] + each["in_flight"] for name, each in counted if name.endswith("SubmitJob"))


def _end_worker(airflow: LocalAirflow, task: TaskOfRun) -> None:
    """Send TERM to the worker of a task, as its machine does when it is taken away."""
    [instance] = airflow.rest.task_instances(task.dag_id, task.run_id)
    [running] = [each for each in airflow.running_tasks() if each.task_instance_id == instance["id"]]
    os.kill(running.worker, signal.SIGTERM)


def _wait_for_cancels(airflow: LocalAirflow, cloud: LocalCloud, tasks: dict[str, TaskOfRun]) -> None:
    """Wait until the jobs are cancelled, and then until each task has ended, for which some need a worker."""

    def is_cancelled(name: str) -> bool:
        return (tasks[name].job(cloud) or {}).get("state") in CANCELLED

    def has_ended(name: str) -> bool:
        return _state(airflow.rest, tasks[name]) == ENDS[name]

    def all_meet(condition: Callable[[str], bool]) -> bool:
        # On SQLite, which locks no rows, the scheduler crashes when a run is deleted that it looks at.
        airflow.start_what_has_ended()
        return all(condition(name) for name in ENDS)

    with contextlib.suppress(AirflowApiError):  # each test says it of its own job
        wait_until(
            lambda: all_meet(is_cancelled), describe=lambda: "", timeout_seconds=CANCELLED_WITHIN_SECONDS
        )
        wait_until(lambda: all_meet(has_ended), describe=lambda: "", timeout_seconds=ENDED_WITHIN_SECONDS)


def _state(rest: AirflowRest, task: TaskOfRun) -> str | None:
    return rest.task_state(*task.place) if rest.has_run(task.dag_id, task.run_id) else None


@pytest.mark.parametrize("name", ENDS)
def test_the_job_of_an_ended_task_is_cancelled_with_every_index(seen: dict[str, Seen], name: str) -> None:
    assert seen[name].state == ENDS[name]
    assert seen[name].job["state"] in CANCELLED
    assert seen[name].job["tasks"] in ({"failed": 3}, {"unexecuted": 3})


def test_a_job_with_on_kill_leave_runs_on(seen: dict[str, Seen]) -> None:
    assert seen["left"].state == "failed"
    assert seen["left"].job["state"] == "running"


def test_a_cleared_task_waits_for_a_new_job(seen: dict[str, Seen]) -> None:
    assert seen["cleared_again"].job["state"] == "running"
    assert seen["cleared_again"].job["uid"] != seen["cleared"].job["uid"]
