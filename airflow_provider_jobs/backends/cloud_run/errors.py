"""What the advice in errors must know of Cloud Run."""

from __future__ import annotations

from airflow_provider_jobs.google_cloud.errors import Service

_DEVELOPER = "roles/run.developer on the project or the job"
_MAKER = f"{_DEVELOPER}, and roles/iam.serviceAccountUser on the job's service account"

# https://cloud.google.com/run/docs/reference/iam/roles
RUN = Service(
    title="Cloud Run",
    apis="run.googleapis.com logging.googleapis.com",
    locations_url="https://cloud.google.com/run/docs/locations",
    reader="roles/run.viewer on the project",
    roles={
        "create_job": _MAKER,
        "update_job": _MAKER,
        "delete_job": _DEVELOPER,
        # With overrides the role to invoke a job is not enough: run.jobs.runWithOverrides
        "run_job": _DEVELOPER,
        "cancel_execution": _DEVELOPER,
        "delete_execution": _DEVELOPER,
        "delete_operation": _DEVELOPER,
        "list_log_entries": "roles/logging.viewer on the project",
    },
    changing=frozenset(
        {"create_job", "update_job", "delete_job", "run_job", "cancel_execution", "delete_execution"}
    ),
    invalid="Compare with https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs",
    missing=(
        "Check project, region and name; a job keeps its last 1,000 executions, and somebody may have "
        "deleted it"
    ),
    exists="A job of this name exists; names are unique in project and region",
)
