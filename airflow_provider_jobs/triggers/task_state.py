"""What Airflow says of the own task instance right now: whether somebody has ended it while we were busy."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

log = logging.getLogger(__name__)

GONE = "gone"
_ENDED = frozenset({GONE, "failed", "removed", "skipped", "success", "upstream_failed"})
_TRIES = 3
_PAUSE_SECONDS = 2.0


def task_state(ti: Any) -> str | None:
    """Return the state of a task instance, :data:`GONE` where its run was deleted. Blocking.

    :raises Exception: whatever Airflow raises where it cannot say
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    index = -1 if ti.map_index is None else ti.map_index
    states = RuntimeTaskInstance.get_task_states(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=index
    )
    # Airflow names a mapped one by its index, where it names states by run and task.
    name = ti.task_id if index < 0 else f"{ti.task_id}_{index}"
    return states.get(ti.run_id, {}).get(name, GONE)


def has_ended(ti: Any) -> bool:
    """Return whether somebody has ended the task that runs here; ``False`` where Airflow cannot say."""
    try:
        return task_state(ti) in _ENDED
    except Exception:
        log.debug("The state of the task cannot be asked", exc_info=True)
        return False


async def is_still_deferred(ti: Any) -> bool:
    """Return whether a task instance is deferred; ``False`` where Airflow cannot say after some tries."""
    for left in reversed(range(_TRIES)):
        try:
            return await asyncio.to_thread(task_state, ti) == "deferred"
        except Exception:
            log.exception("The state of the task cannot be asked")
        if left:
            await asyncio.sleep(_PAUSE_SECONDS)
    return False
