"""What every task that runs a job may be told, and what of it can be checked when the DAG is parsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.files import check_input_files, check_output_files
from airflow_provider_jobs.core.terms import EXPLAIN_AFTER_SECONDS, LOG_MAX_BYTES, check_fail_when
from airflow_provider_jobs.operators.arguments import SPEC_FIELDS
from airflow_provider_jobs.operators.ending import default_deferrable
from airflow_provider_jobs.operators.links import ConsoleLink, LogsLink
from airflow_provider_jobs.operators.storage import check_has_storage
from airflow_provider_jobs.operators.templates import FieldRenderers, TemplateFields, holds_template

_CHOICES = {
    "on_kill": ("cancel", "leave"),
    "delete_after": ("never", "success", "always"),
    "log_indexes": ("all", "failed"),
    "submit_from": ("worker", "triggerer"),
}


class JobArguments(BaseOperator):
    """Runs one container job, or one array of them, as a task.

    The task submits the job once, whatever dies in between, and defers. While it waits, its log shows
    the job's lines. It ends as the job ended; killing it cancels the job.

    :param image: the container image
    :param command: the words to run in it
    :param script: a shell text to run in it, instead of ``command``
    :param env: plain variables
    :param secrets: name of a variable to a reference to a secret, in the vendor's form
    :param input: any JSON, arrives as ``JOB_INPUT``
    :param inputs: one JSON value per index, arrives as that index's ``JOB_INPUT``
    :param input_files: files for the job: what it finds below ``JOB_INPUT_DIR``, to where that is now, a path
        on the worker or the address of an ObjectStoragePath
    :param output_files: what the job leaves below ``JOB_OUTPUT_DIR``: names or patterns such as
        ``"*.csv"``, or a dict of such to the address where they are copied. The XCom ``job`` then holds
        their addresses, and the task fails where one is missing
    :param cpu: processors of one index, 2 or 0.5
    :param memory: memory of one index, ``"4Gi"`` or ``"512Mi"``
    :param gpu: accelerators of one index, a count or ``{"type": ..., "count": ...}``
    :param array_size: how many indexes the job has
    :param parallelism: how many of them run at once
    :param max_run_seconds: the limit that the service enforces per index; ``execution_timeout`` if not given
    :param queue_timeout: how long the job may take to start
    :param spot: whether cheaper machines that can be taken away may be used
    :param labels: labels of the remote job, beside ours
    :param prelude: whether a few lines of shell may stand in front of the command, which set
        ``JOB_INDEX``, ``JOB_ATTEMPT`` and ``JOB_INPUT``; switch it off for an image without a shell
    :param native: deep-merged last into the vendor's request
    :param deferrable: wait in the triggerer instead of in a worker
    :param submit_from: ``"worker"``, or ``"triggerer"`` to submit there too, so that a success needs
        no worker
    :param poll_interval: seconds between two looks at the job; adapts to its age if not given
    :param stream_logs: show the job's lines in the task's log as they come
    :param log_indexes: whose lines to show: ``"all"``, ``"failed"`` or a list
    :param log_tail_on_failure: how many last lines of a failed index stand in the exception
    :param log_max_bytes: how much of the job's lines the task's log shows at most
    :param on_kill: ``"cancel"`` or ``"leave"`` the job when the task is killed or times out
    :param delete_after: remove the remote record: ``"never"``, after ``"success"``, ``"always"``
    :param fail_when: fail on ``"any"`` failed index, when ``"all"`` failed, or from a fraction of them on
    :param retry_failed_only: a retry of an array submits only the indexes that have not succeeded
    :param index_map: the image reads ``JOB_INDEX_MAP``, so that ``retry_failed_only`` holds also where no
        prelude can stand in front of its command
    :param preemption_retries: how often a job whose machine was taken away is submitted again within one try
    :param explain_after: how long a job may wait before the log says why
    :param on_job_start: called as ``on_job_start(context, job)`` when there is a job, with its record as a
        dict
    :param on_job_end: called as ``on_job_end(context, job)`` when it has ended, with the record that stands
        in XCom under ``job``
    :param on_job_event: called as ``on_job_event(context, event)`` for every event of the job, with a dict of
        ``index`` and ``event``; at once where a worker waits, when the job has ended where the task defers
    """

    template_fields = TemplateFields(*SPEC_FIELDS, "input_files", "output_files")
    template_fields_renderers = FieldRenderers(
        {
            "env": "json",
            "command": "json",
            "script": "bash",
            "input": "json",
            "inputs": "json",
            "input_files": "json",
            "output_files": "json",
            "native": "json",
        }
    )
    operator_extra_links = (ConsoleLink(), LogsLink())
    ui_color = "#e6f0fa"

    def __init__(  # noqa: PLR0913 - the words all five services share
        self,
        *,
        image: str | None = None,
        command: Sequence[str] | None = None,
        script: str | None = None,
        env: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        input: Any = None,  # noqa: A002 - the public name
        inputs: Sequence[Any] | None = None,
        input_files: Mapping[str, Any] | None = None,
        output_files: Sequence[str] | Mapping[str, Any] | None = None,
        cpu: float | None = None,
        memory: str | None = None,
        gpu: int | Mapping[str, Any] | None = None,
        array_size: int = 1,
        parallelism: int | None = None,
        max_run_seconds: int | None = None,
        queue_timeout: timedelta | None = None,
        spot: bool = False,
        labels: Mapping[str, str] | None = None,
        prelude: bool = True,
        native: Mapping[str, Any] | None = None,
        deferrable: bool | None = None,
        submit_from: str = "worker",
        poll_interval: float | None = None,
        stream_logs: bool = True,
        log_indexes: str | Sequence[int] = "all",
        log_tail_on_failure: int = 20,
        log_max_bytes: int = LOG_MAX_BYTES,
        on_kill: str = "cancel",
        delete_after: str = "never",
        fail_when: str | float = "any",
        retry_failed_only: bool = True,
        index_map: bool = False,
        preemption_retries: int = 0,
        explain_after: timedelta = timedelta(seconds=EXPLAIN_AFTER_SECONDS),
        on_job_start: Callable[[Any, dict[str, Any]], None] | None = None,
        on_job_end: Callable[[Any, dict[str, Any]], None] | None = None,
        on_job_event: Callable[[Any, dict[str, Any]], None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image = image
        self.command = command
        self.script = script
        self.env = env or {}
        self.secrets = secrets or {}
        self.input = input
        self.inputs = inputs
        self.input_files = input_files or {}
        self.output_files = output_files or []
        self.cpu = cpu
        self.memory = memory
        self.gpu = gpu
        self.array_size = array_size
        self.parallelism = parallelism
        self.max_run_seconds = max_run_seconds
        self.queue_timeout = queue_timeout
        self.spot = spot
        self.labels = labels or {}
        self.prelude = prelude
        self.native = native or {}
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.submit_from = submit_from
        self.poll_interval = poll_interval
        self.stream_logs = stream_logs
        self.log_indexes = log_indexes
        self.log_tail_on_failure = log_tail_on_failure
        self.log_max_bytes = log_max_bytes
        self.on_kill_action = on_kill
        self.delete_after = delete_after
        self.fail_when = fail_when
        self.retry_failed_only = retry_failed_only
        self.index_map = index_map
        self.preemption_retries = preemption_retries
        self.explain_after = explain_after
        self.on_job_start = on_job_start
        self.on_job_end = on_job_end
        self.on_job_event = on_job_event

    def check_choices(self) -> None:
        """Check at DAG parse the arguments that no service sees.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        written = {
            "on_kill": self.on_kill_action,
            "delete_after": self.delete_after,
            "submit_from": self.submit_from,
            "log_indexes": self.log_indexes if isinstance(self.log_indexes, str) else "all",
        }
        for name, value in written.items():
            if value not in _CHOICES[name]:
                choices = ", ".join(map(repr, _CHOICES[name]))
                raise InvalidArgument(name, f"{value!r} is refused", remedy=f"Write one of {choices}")
        check_fail_when(self.fail_when)
        self._check_files()
        retries = self.preemption_retries
        if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
            raise InvalidArgument(
                "preemption_retries", f"{retries!r} is refused", remedy="Write how many, 0 for none"
            )
        if self.submit_from == "triggerer" and not self.deferrable:
            raise InvalidArgument(
                "submit_from",
                "'triggerer' is refused, since the task waits in a worker",
                remedy='Leave out deferrable=False, or write "worker"',
            )
        if self.submit_from == "triggerer" and self.on_job_start is not None:
            raise InvalidArgument(
                "on_job_start",
                "no worker is there to call it, since the task begins in the triggerer",
                remedy='Leave it out, or write submit_from="worker"',
            )
        if (
            not isinstance(self.log_max_bytes, int)
            or isinstance(self.log_max_bytes, bool)
            or self.log_max_bytes < 0
        ):
            raise InvalidArgument(
                "log_max_bytes", f"{self.log_max_bytes!r} is refused", remedy="Write how many, 0 for none"
            )
        for name in ("on_job_start", "on_job_end", "on_job_event"):
            if (call := getattr(self, name)) is not None and not callable(call):
                raise InvalidArgument(name, f"{call!r} cannot be called", remedy="Write a function")
        if self.poll_interval is not None and not self.poll_interval > 0:
            raise InvalidArgument(
                "poll_interval", f"{self.poll_interval!r} is refused", remedy="Write seconds above 0"
            )

    def _check_files(self) -> None:
        """Check what is known of the files; the rest is checked before the job is submitted."""
        is_array = isinstance(self.array_size, int) and self.array_size > 1
        if self.input_files:
            check_has_storage("input_files")
            if not holds_template(self.input_files):
                check_input_files(self.input_files)
        if self.output_files:
            check_has_storage("output_files")
            if not holds_template(self.output_files):
                check_output_files(self.output_files, is_array=is_array)
