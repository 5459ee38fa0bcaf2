"""Whether a success may end in the triggerer, which saves a worker but skips what only a worker does."""

from __future__ import annotations

import os
from configparser import RawConfigParser
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, conf, get_listener_manager


def needs_worker(task: BaseOperator) -> str | None:
    """Return why the task must be finished on a worker, or ``None`` where it need not be."""
    reasons: dict[str, Any] = {
        "the task has outlets": task.outlets,
        "a task listener is installed": get_listener_manager().hook.on_task_instance_success.get_hookimpls(),
        "the task has post_execute": _has_post_execute(task),
        "a task is mapped over its result": next(task.iter_mapped_dependants(), None),
        "the task has multiple outputs": getattr(task, "multiple_outputs", False),
        "its result is the DAG's": getattr(task, "returns_dag_result", False),
        "[airflow_provider_jobs] finish_on_worker is set": conf.getboolean(
            "airflow_provider_jobs", "finish_on_worker", fallback=False
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def default_deferrable() -> bool:
    """Return Airflow's ``[operators] default_deferrable`` where somebody has set it, else ``True``.

    Airflow's own default is ``False``; waiting in a worker slot is what this provider exists to avoid.
    """
    is_set = "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE" in os.environ or RawConfigParser.has_option(
        conf, "operators", "default_deferrable"
    )
    return conf.getboolean("operators", "default_deferrable") if is_set else True


def _has_post_execute(task: BaseOperator) -> bool:
    overridden = getattr(task.post_execute, "__func__", None) is not BaseOperator.post_execute
    return overridden or getattr(task, "_post_execute_hook", None) is not None
