"""Lines of the store as log entries of Batch.

It exists to say once what an entry of Batch looks like: names, labels, severity, resource. Labels as seen in
public entries and in https://docs.cloud.google.com/batch/docs/troubleshooting. It must not filter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from airflow_provider_jobs.backends.gcp_batch.emulator.job_messages import JobRecord
from airflow_provider_jobs.backends.gcp_batch.emulator.names import GROUP, task_id
from airflow_provider_jobs.emulator.logstore import LogLine
from airflow_provider_jobs.google_cloud.emulator import log_entries

TASK_LOG, AGENT_LOG = "batch_task_logs", "batch_agent_logs"
_SEVERITY = {"stdout": "INFO", "stderr": "ERROR", "system": "INFO"}


class BatchEntries:
    """What Cloud Logging asks a dialect for. ``record_of`` gives the job of a uid, also a deleted one."""

    def __init__(self, record_of: Callable[[str], JobRecord | None]) -> None:
        self._record_of = record_of

    def entry(self, line: LogLine, projects: Collection[str]) -> dict[str, Any] | None:
        """The entry, or None when the line belongs to no job of these projects."""
        record = self._record_of(line.job_uid)
        if record is None or record.place.project not in projects:
            return None
        return log_entries.entry(
            line,
            log=AGENT_LOG if line.stream == "system" else TASK_LOG,
            project=record.place.project,
            labels=_labels(line, record),
            resource=_resource(line, record),
            severity=_SEVERITY[line.stream],
        )

    def job_uids(self, path: tuple[str, ...], value: str) -> Sequence[str] | None:
        """The jobs that can have this value in this field, or None when that cannot be told."""
        if path == ("labels", "job_uid"):
            return [value.lower()]
        return [] if _is_foreign(path) else None


def _is_foreign(path: tuple[str, ...]) -> bool:
    """Whether no entry of Batch has such a field: the keys of its labels have neither dots nor slashes."""
    key = ".".join(path[1:])
    return (path[:1] == ("labels",) and ("." in key or "/" in key)) or key == "labels.job_name"


def _labels(line: LogLine, record: JobRecord) -> dict[str, str]:
    """Predefined labels over the job's own and the runnable's own."""
    labels = dict(record.message.labels)
    if line.stream != "system":
        labels.update(record.message.task_groups[0].task_spec.runnables[line.step].labels)
        labels["runnable_index"] = str(line.step)
    labels.update(
        hostname=f"{line.job_uid}-{GROUP}-{line.task_index}",
        job_uid=line.job_uid,
        task_group_name=f"{record.numbered_name}/taskGroups/{GROUP}",
        task_id=task_id(line.job_uid, line.task_index, line.attempt),
    )
    return labels


def _resource(line: LogLine, record: JobRecord) -> dict[str, Any]:
    number = record.numbered_name.split("/")[1]
    if record.message.logs_policy.cloud_logging_option.use_generic_task_monitored_resource:
        labels = {
            "project_id": record.place.project,
            "location": record.place.location,
            "namespace": number,
            "job": line.job_uid,
            "task_id": f"{GROUP}-{line.task_index}",
        }
        return {"type": "generic_task", "labels": labels}
    labels = {
        "resource_container": f"projects/{number}",
        "location": record.place.location,
        "job_id": record.job_id,
    }
    return {"type": "batch.googleapis.com/Job", "labels": labels}
