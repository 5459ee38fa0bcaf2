"""Who a job is: the key it has in Airflow, and the names and labels that follow from it.

Everything here is deterministic, so that a process that knows nothing but the task instance
arrives at the same names as the one that died.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Literal

from airflow_provider_jobs.core.wire import Wire

MANAGED_BY = "airflow-provider-jobs"
STAMP_LABEL = "airflow-job-stamp"
_DIGEST_LENGTH = 16


class JobKey(Wire):
    """One submission of one task instance.

    :param deployment: the name of the Airflow, where several share one cloud project
    :param attempt: counts submissions that are meant to be different jobs, from 1
    """

    version: Literal[1] = 1
    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    attempt: int = 1
    deployment: str = ""

    @property
    def digest(self) -> str:
        """16 characters of ``[0-9a-f]`` that differ for different keys."""
        parts = [self.deployment, self.dag_id, self.run_id, self.task_id, self.map_index, self.attempt]
        text = json.dumps(parts, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]

    def next_attempt(self) -> JobKey:
        """Return the key of the next job of this task instance."""
        return self.model_copy(update={"attempt": self.attempt + 1})


def slug(text: str) -> str:
    """Return the text in lower case with every run of other characters than ``[a-z0-9]`` as one dash."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def job_name(key: JobKey, max_length: int) -> str:
    """Return a name of ``[a-z][a-z0-9-]*`` that a person can read and no other key has.

    :param max_length: the service's limit; the readable part is cut, the digest never
    """
    room = max_length - _DIGEST_LENGTH - 1
    readable = slug(f"{key.dag_id}-{key.task_id}")[:room].strip("-") or "job"
    if not readable[0].isalpha():
        readable = f"j-{readable}"[:room].strip("-")
    return f"{readable}-{key.digest}"


def label_value(text: str, max_length: int = 63) -> str:
    """Return the text as a label value of ``[a-z0-9_-]``, shortened with a digest where it is too long.

    Two texts that differ in case or punctuation alone may give the same value: labels are for
    people and filters, the digest label identifies.
    """
    value = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")
    if len(value) <= max_length:
        return value
    tail = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{value[: max_length - 9].rstrip('-_')}-{tail}"


def job_labels(key: JobKey, stamp: str = "") -> dict[str, str]:
    """Return the labels of a job: who manages it, and which task instance it belongs to.

    :param stamp: what the job says of its submission; no label where it is empty
    """
    labels = {
        "managed-by": MANAGED_BY,
        "airflow-job-key": key.digest,
        "airflow-dag-id": label_value(key.dag_id),
        "airflow-task-id": label_value(key.task_id),
        "airflow-run-id": label_value(key.run_id),
        "airflow-attempt": str(key.attempt),
    }
    if key.map_index >= 0:
        labels["airflow-map-index"] = str(key.map_index)
    if stamp:
        labels[STAMP_LABEL] = stamp
    return labels
