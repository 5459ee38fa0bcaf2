"""How attempts end, in the words of Batch and ECS.

It exists so that wording lives in one place. It must not hold state. Facts:
https://docs.aws.amazon.com/batch/latest/userguide/batch-event-stream.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html for the sentences
about tasks; answers of the service in public threads for the others.
"""

from __future__ import annotations

from airflow_provider_jobs.backends.aws_batch.emulator.names import digest
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord
from airflow_provider_jobs.backends.aws_batch.emulator.retries import Outcome
from airflow_provider_jobs.emulator.jobs import AttemptEnd, EndReason

EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"
TIMED_OUT = "Job attempt duration exceeded timeout"
DEPENDENCY_FAILED = "Dependent Job failed"
CHILD_FAILED = "Array Child Job failed"
QUEUE_DELETED = "JobQueue deleted"
OVERRIDES_TOO_LONG = "Container Overrides length must be at most 8192"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
SPOT_INTERRUPTED = "Your Spot Task was interrupted."
HOST_FAILED = "Task stopped because of a failure of the underlying host."
#: A container that is stopped from outside and does not heed SIGTERM, as the first process of one does not.
KILLED = 137


def outcome_of(record: JobRecord, index: int, end: AttemptEnd) -> Outcome:
    """Status reason of an ended attempt; reason and exit code of the container that decided it."""
    if end.reason is EndReason.EXITED:
        return _exited(end, in_pod=record.in_pods)
    if end.reason is EndReason.REFUSED:
        return Outcome(end.message)
    if end.reason is EndReason.TIMED_OUT:
        return Outcome(TIMED_OUT, exit_code=KILLED)
    if end.reason is EndReason.OUT_OF_MEMORY:
        return Outcome(EXITED, OUT_OF_MEMORY, KILLED)
    if end.reason is EndReason.CANCELLED:
        stop = record.stops.get(index)
        return Outcome(stop.reason if stop else "", exit_code=KILLED)
    return Outcome(_lost_machine(record, index, end.reason))


def container_outcomes(record: JobRecord, index: int, end: AttemptEnd) -> list[Outcome]:
    """Reason and exit code of each container of an ended attempt, in the order of the containers."""
    if not end.steps:
        return [outcome_of(record, index, end)]
    return [Outcome() if step is None else outcome_of(record, index, step) for step in end.steps]


def _exited(end: AttemptEnd, *, in_pod: bool) -> Outcome:
    code = end.exit_code if end.exit_code >= 0 else 128 - end.exit_code
    if in_pod:
        return Outcome("", "Completed" if code == 0 else "Error", code)
    if end.message:
        return Outcome(NOT_STARTED, f"CannotStartContainerError: {end.message}", code)
    return Outcome(EXITED, exit_code=code)


def _lost_machine(record: JobRecord, index: int, reason: EndReason) -> str:
    environment = record.placed.get(index)
    if environment is None or not environment.on_fargate:
        return f"Host EC2 (instance {instance_id(record, index)}) terminated."
    return SPOT_INTERRUPTED if environment.on_spot and reason is EndReason.PREEMPTED else HOST_FAILED


def instance_id(record: JobRecord, index: int) -> str:
    """The machine of a job, child or node."""
    return f"i-{digest(record.job_id, index, 'machine')[:17]}"
