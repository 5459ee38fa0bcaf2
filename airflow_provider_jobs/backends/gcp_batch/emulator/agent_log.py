"""What the agent on each machine reports: the lines of ``batch_agent_logs``.

It exists because people look there first when a task did not run. It must write for jobs that keep logs
only, and never a variable's value.
"""

from __future__ import annotations

from airflow_provider_jobs.backends.gcp_batch.emulator.job_messages import machine
from airflow_provider_jobs.backends.gcp_batch.emulator.names import task_id
from airflow_provider_jobs.backends.gcp_batch.emulator.outcomes import TASK_STATES, task_sentence
from airflow_provider_jobs.emulator.jobs import EndReason, Event, Job, Task, TaskState
from airflow_provider_jobs.emulator.logstore import LogLine, LogStore


class AgentLog:
    """Listens to the engine and writes the agent's lines."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs

    def job_changed(self, job: Job, event: Event) -> None:
        """The agent knows tasks, not jobs."""

    def task_changed(self, job: Job, task: Task, event: Event) -> None:
        if not job.spec.keep_logs or event.after in (TaskState.PENDING, TaskState.UNEXECUTED):
            return
        state = TASK_STATES[TaskState(event.after)].name
        identifier = task_id(job.spec.uid, task.index, task.attempt)
        instance = machine(job, task).rpartition("/")[2]
        self._say(
            job,
            task,
            f'report agent state: AGENT_RUNNING instance:"{instance}" task_id:"{identifier}" state:{state}',
        )
        if event.end is None or event.end.succeeded:
            return
        if event.end.reason is EndReason.REFUSED:
            self._say(job, task, event.end.message)
        self._say(job, task, f"{identifier}: {task_sentence(event, machine=machine(job, task))}")

    def _say(self, job: Job, task: Task, text: str) -> None:
        spec = job.spec
        self._logs.append(LogLine(spec.dialect, spec.uid, task.index, task.attempt, 0, "system", text))
