"""Why a job at the head of its queue runs nowhere, in the words of ``statusReason``.

It exists so that a rule of the admin API can name a reason, and that what the local cloud finds by itself
is told in the same sentences. It must not hold state.
https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_jobs.emulator.progress import Stage

NO_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
TOO_LARGE = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
NO_MACHINE_FITS = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
ROLE_PROBLEM = "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS"
UNSUPPORTED = "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED"
INVALID = "ACTION_REQUIRED"

_SENTENCES: Mapping[str, str] = {
    NO_CAPACITY: (
        f"{NO_CAPACITY} - Service cannot fulfill the capacity requested for instance type [m5.large]"
    ),
    TOO_LARGE: (
        f"{TOO_LARGE} - CE(s) associated with the job queue cannot meet the CPU requirement of the job."
    ),
    NO_MACHINE_FITS: (
        f"{NO_MACHINE_FITS} - The job resource requirement (vCPU/memory/GPU) is higher than that can be met "
        "by the CE(s) attached to the job queue."
    ),
    ROLE_PROBLEM: f"{ROLE_PROBLEM} \N{EN DASH} Batch service role has a permission issue.",
    UNSUPPORTED: (
        f"{UNSUPPORTED} - Your compute environment associated with this job queue has an unsupported "
        "instance type configuration."
    ),
    INVALID: f"{INVALID} - CE(s) associated with the job queue are invalid.",
    "UNDETERMINED": "UNDETERMINED - Batch job is blocked, root cause is undetermined.",
}

#: Which reasons a rule may give, by the step that they keep a job from.
WORDS: Mapping[Stage, tuple[str, ...]] = {Stage.ASSIGNED: tuple(_SENTENCES)}


def sentence(word: str) -> str:
    """The ``statusReason``."""
    return _SENTENCES[word]
