"""How a deferred task ends: whether a success ends it in the triggerer, and when a worker may be woken.

To end in the triggerer saves a worker, but skips what only a worker does.
"""

from __future__ import annotations

import os
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, conf, get_listener_manager
from pendulum import DateTime

_DEFERRABLE = "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE"
_LEAST_SECONDS = 8.0
_MOST_OF_WORKER_SECONDS = 30.0


def needs_worker(task: BaseOperator) -> str | None:
    """Return why the task must be finished on a worker, or ``None`` where it need not be."""
    return arguments_need_worker(task) or surroundings_need_worker(task)


def arguments_need_worker(task: BaseOperator) -> str | None:
    """Return why the task needs a worker by its own arguments."""
    reasons: dict[str, Any] = {
        "the task has outlets": task.outlets,
        "the task has post_execute": _has_post_execute(task),
        "output_files are given": getattr(task, "output_files", None),
        "on_job_end or on_job_event is given": _has_job_calls(task),
        "the task has multiple outputs": getattr(task, "multiple_outputs", False),
        "its result is the DAG's": getattr(task, "returns_dag_result", False),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def surroundings_need_worker(task: Any) -> str | None:
    """Return why the task needs a worker by its DAG or its Airflow.

    :param task: an operator, or what Airflow makes of one in a triggerer
    """
    reasons: dict[str, Any] = {
        "a task listener is installed": get_listener_manager().hook.on_task_instance_success.get_hookimpls(),
        "a task is mapped over its result": next(iter(task.iter_mapped_dependants()), None),
        "[airflow_provider_jobs] finish_on_worker is set": conf.getboolean(
            "airflow_provider_jobs", "finish_on_worker", fallback=False
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def wakes_from(began: DateTime, deferred: DateTime) -> DateTime:
    """Return from when on an event may wake a worker for a task that defers.

    Not before the scheduler has read of the end of the worker that defers it: the task, queued again under
    the same try, would count as lost. What runs the worker may notice its end a heartbeat's interval late.
    How long the rest takes depends on how busy the machines are, which the worker's own time tells.

    :param began: when the worker began with the task
    """
    worker_seconds = min(max(0.0, (deferred - began).total_seconds()), _MOST_OF_WORKER_SECONDS)
    notice_seconds = conf.getint("workers", "min_heartbeat_interval", fallback=5)
    return deferred.add(seconds=max(_LEAST_SECONDS, notice_seconds + worker_seconds))


def default_deferrable() -> bool:
    """Return Airflow's ``[operators] default_deferrable`` where the environment sets it, else ``True``.

    Airflow writes ``default_deferrable = false`` into every ``airflow.cfg`` it generates, so there the
    word says nothing about what anybody wants; and not to wait in a worker is what this provider is for.
    """
    return conf.getboolean("operators", "default_deferrable") if _DEFERRABLE in os.environ else True


def _has_job_calls(task: BaseOperator) -> bool:
    return any(getattr(task, name, None) is not None for name in ("on_job_end", "on_job_event"))


def _has_post_execute(task: BaseOperator) -> bool:
    overridden = getattr(task.post_execute, "__func__", None) is not BaseOperator.post_execute
    return overridden or getattr(task, "_post_execute_hook", None) is not None
