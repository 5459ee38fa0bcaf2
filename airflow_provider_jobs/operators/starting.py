"""How a task begins in the triggerer, with no worker: what its trigger must know to submit the job itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import XComArg

from airflow_provider_jobs.operators.ending import arguments_need_worker
from airflow_provider_jobs.operators.templates import argument_defaults, is_default

if TYPE_CHECKING:
    from airflow.triggers.base import StartTriggerArgs

    from airflow_provider_jobs.operators.task import JobTask

TRIGGER = "airflow_provider_jobs.triggers.submitting.SubmitTrigger"

# Arguments of a task beside those that a service sees, by the attribute that holds them.
_SETTINGS = {
    "queue_timeout": "queue_timeout",
    "poll_interval": "poll_interval",
    "stream_logs": "stream_logs",
    "log_indexes": "log_indexes",
    "log_tail_on_failure": "log_tail_on_failure",
    "log_max_bytes": "log_max_bytes",
    "on_kill": "on_kill_action",
    "delete_after": "delete_after",
    "fail_when": "fail_when",
    "retry_failed_only": "retry_failed_only",
    "index_map": "index_map",
    "preemption_retries": "preemption_retries",
    "explain_after": "explain_after",
    "execution_timeout": "execution_timeout",
}


def start_arguments(task: JobTask, fields: Sequence[str]) -> StartTriggerArgs | None:
    """Return what starts a task in the triggerer; ``None`` where only a worker can begin it.

    A value that another task hands over as an object, and not as a template, is known to a worker alone, and
    files of a worker are there alone.

    :param fields: the arguments that say what runs and where
    """
    from airflow.triggers.base import StartTriggerArgs

    if task.input_files or task.output_files:
        return None
    values = {name: getattr(task, name) for name in fields}
    if any(_holds_result(value) for value in values.values()):
        return None
    defaults = argument_defaults(type(task))
    given = {name: value for name, value in values.items() if not is_default(value, defaults.get(name))}
    settings = {
        name: value.total_seconds() if isinstance(value, timedelta) else value
        for name, attribute in _SETTINGS.items()
        if not is_default(value := getattr(task, attribute), defaults.get(name))
    }
    kind = type(task)
    templates = kind.template_fields
    return StartTriggerArgs(
        trigger_cls=TRIGGER,
        trigger_kwargs={
            "operator": f"{kind.__module__}:{kind.__qualname__}",
            "settings": {
                **settings,
                **{name: value for name, value in given.items() if name not in templates},
            },
            "ends_success": arguments_need_worker(task) is None,
            "pushes_xcom": bool(task.do_xcom_push),
            **{name: value for name, value in given.items() if name in templates},
        },
        next_method="execute_complete",
    )


def why_from_worker(task: JobTask, ti: Any) -> str:
    """Return why a task that was to begin in the triggerer begins in a worker.

    :param ti: the task instance that runs in the worker
    """
    if ti.map_index is not None and ti.map_index >= 0:
        reason = "Airflow starts mapped tasks in a worker"
    elif task.input_files or task.output_files:
        reason = "a worker brings input_files to the job, and knows where output_files are"
    elif not task.start_from_trigger:
        reason = "an argument is the result of another task, which only a worker can read"
    else:
        reason = "Airflow has started this try in a worker"
    return f'submit_from="triggerer" does not hold here: {reason}'


def _holds_result(value: Any) -> bool:
    if isinstance(value, XComArg):
        return True
    if isinstance(value, Mapping):
        return any(_holds_result(each) for each in value.values())
    return isinstance(value, (list, tuple)) and any(_holds_result(each) for each in value)
