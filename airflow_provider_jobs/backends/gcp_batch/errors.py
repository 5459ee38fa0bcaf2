"""What the advice in errors must know of GCP Batch."""

from __future__ import annotations

from airflow_provider_jobs.google_cloud.errors import Service

JOB_ID_PATTERN = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
_EDITOR = "roles/batch.jobsEditor on the project"

# A create could be repeated under a request id, but only for 60 minutes, and wrongly where the job was
# deleted since; looking for the job costs one read and is always right. So an answer that never came to a
# create is ambiguous like that to any other change.
BATCH = Service(
    title="GCP Batch",
    apis="batch.googleapis.com logging.googleapis.com",
    locations_url="https://cloud.google.com/batch/docs/locations",
    reader="roles/batch.jobsViewer on the project",
    roles={
        "create_job": f"{_EDITOR} and roles/iam.serviceAccountUser on the job's service account",
        "cancel_job": _EDITOR,
        "delete_job": _EDITOR,
        "list_log_entries": "roles/logging.viewer on the project",
    },
    changing=frozenset({"create_job", "cancel_job", "delete_job"}),
    invalid=f"Compare with the job reference; a job id has the form {JOB_ID_PATTERN}",
    missing="Check project, region and name; a job is gone 60 days after its end, or somebody deleted it",
    exists="A job of this id exists; ids are unique in project and region",
)
