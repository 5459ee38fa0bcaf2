"""What every task that runs a job does: submit once, defer, and end as the job ended.

Where the job goes is a subclass's business. DAG files are parsed all the time, so this holds only what a
parse needs; what a run needs is loaded by the run. No vendor package is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.operators.job_arguments import JobArguments
from airflow_provider_jobs.operators.named_secrets import named_secrets
from airflow_provider_jobs.operators.starting import start_arguments

if TYPE_CHECKING:
    from airflow_provider_jobs.core.models import JobHandle
    from airflow_provider_jobs.core.target import Target
    from airflow_provider_jobs.operators.run import TaskRun

# What Airflow resumes a task with whose deferral it has ended itself.
_DEFERRAL_FAILED = "__fail__"


class JobTask(JobArguments):
    """Runs one container job, or one array of them, as a task; its arguments are those of its base.

    The task submits the job once, whatever dies in between, and defers. While it waits, its log shows
    the job's lines. It ends as the job ended; killing it cancels the job.
    """

    # The job that this process has submitted, or ends a task for.
    job_handle: JobHandle | None = None
    is_killed = False
    # The connections and variables that its templates name.
    named_secrets: Sequence[str] = ()
    _task_run: TaskRun | None = None

    def settle_start(self, fields: Sequence[str]) -> None:
        """Let the task begin in the triggerer, where that is wanted and possible.

        :param fields: the arguments that say what runs and where
        """
        # Before they are rendered.
        self.named_secrets = named_secrets([getattr(self, name) for name in fields])
        if self.submit_from == "triggerer" and (arguments := start_arguments(self, fields)):
            self.start_trigger_args = arguments
            self.start_from_trigger = True

    def resolve_targets(self) -> list[Target]:
        """Return where the job may go, the first choice first, each with the job as it is submitted there.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        raise NotImplementedError

    def execute(self, context: Any) -> Any:
        """Submit the job, or find the one that is there, and wait for it.

        :raises JobFailed: it could not be submitted, or did not succeed; the subclass says why
        """
        return self._run().begin(context)

    def execute_complete(
        self,
        context: Any,
        event: Mapping[str, Any],
        deadline: str | None = None,
        preemptions: int = 0,
        in_triggerer: bool = False,
        *,
        place: str = "",
    ) -> Any:
        """End the task as the trigger saw the job end, or submit another where that is wanted.

        :param deadline: when ``execution_timeout`` has passed, in ISO 8601
        :param preemptions: how many jobs of this try were preempted before
        :param in_triggerer: whether the try began in a triggerer
        :param place: where the job's files lie
        :raises JobFailed: the job did not succeed; the subclass says why
        """
        return self._run().complete(
            context,
            event,
            deadline=deadline,
            preemptions=preemptions,
            in_triggerer=in_triggerer,
            place=place,
        )

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Go on after the deferral; where Airflow itself has ended that, cancel the job first.

        It does so when a trigger breaks, and at ``execution_timeout`` where a task began in the triggerer. No
        trigger is asked then.
        """
        if next_method == _DEFERRAL_FAILED:
            self._run().cancel_unfollowed(context)
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Cancel the job that this worker has submitted.

        A submission that is under way stops before it sends, and what it has sent is cancelled right after.
        Airflow calls this in the middle of whatever the worker does.
        """
        self.is_killed = True
        if self._task_run is not None:
            self._task_run.kill()

    def _run(self) -> TaskRun:
        from airflow_provider_jobs.operators.run import TaskRun

        if self._task_run is None:
            self._task_run = TaskRun(self)
        return self._task_run
