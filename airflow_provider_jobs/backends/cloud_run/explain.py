"""Why an execution does not run yet, from what the service says about it. Pure."""

from __future__ import annotations

import re

from google.cloud.run_v2 import Condition, Execution

from airflow_provider_jobs.backends.cloud_run import mapping
from airflow_provider_jobs.core.explanations import explanation
from airflow_provider_jobs.core.states import JobState

_RUNS = (JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)

_GPU = (
    "The region has no GPU to give now, or the project's quota of GPUs is used up. Take another region, ask "
    "for a higher quota, or set gpu_zonal_redundancy=False"
)
_QUOTA = (
    "A quota of the project is used up: 1,000 executions run at once in a region, and CPU and memory are "
    "limited too. Wait, lower parallelism, take another region, or ask for a higher quota"
)
_IMAGE = (
    "The image is still being fetched, or cannot be. Check its name, and grant roles/artifactregistry.reader "
    "to Cloud Run's service agent"
)
_ACCESS = "A secret cannot be read. Grant roles/secretmanager.secretAccessor to the job's service account"
_KEY = (
    "The encryption key cannot be used. Grant roles/cloudkms.cryptoKeyEncrypterDecrypter to Cloud Run's "
    "service agent"
)
_NETWORK = "The network is not there, or its subnetwork has no address left. Check network and subnetwork"

_POLICY = "A policy of Binary Authorization forbids the image. Use one that it allows, or have it attested"
_LATER = "The execution waits for its start time, which the service chooses. Wait, or set queue_timeout"
_AGAIN = "An attempt has failed and the service tries again by itself. Wait, and read what it says"

# What a condition's reason or message tells, and what to do about it; the first that fits counts.
_TELLING: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"DELAYED_START"), _LATER),
    (re.compile(r"IMAGE_UNAUTHORIZED|IMAGE_AUTHORIZATION"), _POLICY),
    (re.compile(r"\bgpu", re.IGNORECASE), _GPU),
    (re.compile(r"quota|limit|exceeded|exhausted", re.IGNORECASE), _QUOTA),
    (re.compile(r"secret", re.IGNORECASE), _ACCESS),
    (re.compile(r"encryption.key", re.IGNORECASE), _KEY),
    (re.compile(r"vpc|network|subnet|ip address", re.IGNORECASE), _NETWORK),
    (re.compile(r"container_|image", re.IGNORECASE), _IMAGE),
    (re.compile(r"retry", re.IGNORECASE), _AGAIN),
)


def explain(execution: Execution) -> str | None:
    """Return why an execution is not running, or ``None`` where it runs, is over, or nothing is said."""
    if mapping.job_state(execution) in _RUNS or mapping.is_cancelling(execution):
        return None
    waiting = [each for each in execution.conditions if each.state != Condition.State.CONDITION_SUCCEEDED]
    # "Completed" stands for all the others and often only repeats them.
    for each in sorted(waiting, key=lambda one: one.type_ == mapping.COMPLETED):
        reason = mapping.reason_word(each)
        said = f"{reason}: {each.message}" if reason and each.message else reason or each.message
        for pattern, advice in _TELLING:
            if said and pattern.search(f"{reason} {each.message}"):
                return explanation(advice, said, of=each.type_)
    return None
