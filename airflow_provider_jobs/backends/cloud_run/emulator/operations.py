"""What Cloud Run says of changes that take their time.

It exists because an operation's metadata and response are the resource itself:
https://docs.cloud.google.com/run/docs/reference/rpc/google.cloud.run.v2#google.cloud.run.v2.Jobs. It must not
do the work.
"""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import Message
from google.rpc import code_pb2

from airflow_provider_jobs.backends.cloud_run.emulator.execution_messages import execution_message
from airflow_provider_jobs.backends.cloud_run.emulator.outcomes import attempt_result, first_failure
from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.emulator.jobs import Job, JobState


class Change:
    """The work of an operation that ends well; ``resource`` is what it is about, as it stands."""

    def __init__(self, resource: Callable[[], Message]) -> None:
        self._resource = resource

    def metadata(self) -> Message:
        return self._resource()

    def response(self) -> Message:
        return self._resource()

    def request_cancellation(self) -> None:
        """The service has no such method for its operations."""
        raise StatusError("UNIMPLEMENTED", "Operation is not implemented, or supported, or enabled.")


class ExecutionRun(Change):
    """The work of ``RunJob``: it fails as the execution does; a cancelled execution is no failure of it."""

    def __init__(self, job: Job) -> None:
        super().__init__(lambda: execution_message(job))
        self._job = job

    def response(self) -> Message:
        failure = first_failure(self._job) if self._job.state is JobState.FAILED else None
        if failure is None:
            return super().response()
        code = code_pb2.Code.Name(attempt_result(failure.end).status.code)
        raise StatusError(code, failure.sentence)
