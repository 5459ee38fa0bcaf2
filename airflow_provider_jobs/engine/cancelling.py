"""Cancel a job and see that the service has done it, within a bound."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from airflow_provider_jobs.core.errors import JobsError, is_trouble, retry_after_seconds
from airflow_provider_jobs.core.models import JobHandle, JobReport
from airflow_provider_jobs.engine.calls import BackendCalls, OpenBackend
from airflow_provider_jobs.engine.members import loop_time
from airflow_provider_jobs.engine.pacing import Backoff

CONFIRM_SECONDS = 120.0
LOOK_SECONDS = 1.0
# A cancel that was taken and shows nothing is asked for once more: services forget too.
ASK_AGAIN_SECONDS = 15.0


class CancelNotConfirmed(JobsError):
    """The service did not say in time that the job has ended; a person has to look."""


async def cancel_job(
    calls: BackendCalls,
    handle: JobHandle,
    reason: str,
    *,
    within_seconds: float = CONFIRM_SECONDS,
    look_seconds: float = LOOK_SECONDS,
) -> JobReport:
    """Ask for the cancel until it is taken, look until the job has ended or is gone, return the report.

    It is asked for again where the job does not end.

    Idempotent: a job that has ended, or is gone, is fine.

    :param within_seconds: how long to go on
    :param look_seconds: the pause between two looks
    :raises CancelNotConfirmed: the bound was reached first, or the service refuses
    """
    until = loop_time() + within_seconds
    backoff = Backoff(first_seconds=look_seconds, ceiling_seconds=10.0)
    ask_at = loop_time()
    while True:
        pause = look_seconds
        try:
            if loop_time() >= ask_at:
                await calls.run_in_turn(lambda backend: backend.cancel(handle, reason))
                ask_at = loop_time() + ASK_AGAIN_SECONDS
            (report,) = await calls.run_in_turn(lambda backend: backend.describe([handle]))
            if not report.found or (report.state is not None and report.state.is_terminal):
                return report
            problem: str = f"it is {report.native_state}"
        except JobsError as error:
            if not is_trouble(error):
                raise CancelNotConfirmed(_told(handle, str(error))) from error
            pause, problem = backoff.after_failure(retry_after_seconds(error)), str(error)
        if loop_time() + pause >= until:
            raise CancelNotConfirmed(_told(handle, problem))
        await asyncio.sleep(pause)


def _told(handle: JobHandle, problem: str) -> str:
    by_hand = f" Stop it by hand: {handle.cancel_command}" if handle.cancel_command else ""
    where = f" Look at {handle.console_url}" if handle.console_url else ""
    text = f"Job {handle.native_id} may still be running, its cancel is not confirmed: {problem}."
    return f"{text}{by_hand}{where}"


def cancel_job_now(
    open_backend: OpenBackend,
    handle: JobHandle,
    reason: str,
    *,
    within_seconds: float = CONFIRM_SECONDS,
    look_seconds: float = LOOK_SECONDS,
) -> JobReport:
    """Do what :func:`cancel_job` does and block until it is done.

    May be called from a signal handler, also while an event loop runs in the same thread.

    :raises CancelNotConfirmed: the bound was reached first, or the service refuses
    """

    async def main() -> JobReport:
        calls = BackendCalls(handle.ref, open_backend)
        try:
            return await cancel_job(
                calls, handle, reason, within_seconds=within_seconds, look_seconds=look_seconds
            )
        finally:
            calls.close()

    with ThreadPoolExecutor(1, thread_name_prefix="cancel") as own_thread:
        return own_thread.submit(asyncio.run, main()).result()
