"""What Airflow's provider discovery reads. It may run before configuration is ready: import nothing heavy."""

from __future__ import annotations

from typing import Any

from airflow_provider_jobs import __version__

_INTEGRATIONS = (
    ("Google Cloud Batch", "https://cloud.google.com/batch/docs", "gcp"),
    ("Google Cloud Run Jobs", "https://cloud.google.com/run/docs/create-jobs", "gcp"),
    ("AWS Batch", "https://docs.aws.amazon.com/batch/latest/userguide/what-is-batch.html", "aws"),
    ("Azure Batch", "https://learn.microsoft.com/azure/batch/", "azure"),
    ("Kubernetes Jobs", "https://kubernetes.io/docs/concepts/workloads/controllers/job/", "software"),
)

_GOOGLE_FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "project": ("Project Id", {"type": ["string", "null"]}),
    "key_path": ("Keyfile Path", {"type": ["string", "null"]}),
    "keyfile_dict": ("Keyfile JSON", {"type": ["string", "null"], "format": "password"}),
    "credential_config_file": ("Credential Configuration File", {"type": ["string", "null"]}),
    "impersonation_chain": ("Impersonation Chain", {"type": ["string", "null"]}),
    "endpoint": ("Endpoint (http:// is plain-text gRPC)", {"type": ["string", "null"]}),
    "logging_endpoint": ("Endpoint of Cloud Logging, where it differs", {"type": ["string", "null"]}),
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata in the form Airflow's ``ProvidersManager`` reads."""
    return {
        "package-name": "airflow-provider-jobs",
        "name": "Jobs",
        "description": (
            "Container jobs on GCP Batch, Cloud Run, AWS Batch, Azure Batch and Kubernetes as DAG tasks: "
            "submitted once, deferred, logs live."
        ),
        "versions": [__version__],
        "integrations": [
            {"integration-name": name, "external-doc-url": address, "tags": [tag]}
            for name, address, tag in _INTEGRATIONS
        ],
        "operators": [
            {"integration-name": name, "python-modules": ["airflow_provider_jobs.operators"]}
            for name, _, _ in _INTEGRATIONS
        ],
        "hooks": [
            {"integration-name": name, "python-modules": ["airflow_provider_jobs.hooks"]}
            for name, _, _ in _INTEGRATIONS
        ],
        "triggers": [
            {"integration-name": name, "python-modules": ["airflow_provider_jobs.triggers.job"]}
            for name, _, _ in _INTEGRATIONS
        ],
        "task-decorators": [
            {
                "name": "container_job",
                "class-name": "airflow_provider_jobs.operators.decorated.container_job_task",
            }
        ],
        "connection-types": [
            {
                "connection-type": connection_type,
                "hook-class-name": f"airflow_provider_jobs.backends.{hook}",
                "hook-name": title,
                "ui-field-behaviour": {
                    "hidden-fields": ["host", "schema", "login", "password", "port", "extra"],
                    "relabeling": {},
                    "placeholders": {},
                },
                "conn-fields": {
                    name: {"label": label, "schema": schema}
                    for name, (label, schema) in _GOOGLE_FIELDS.items()
                },
            }
            for connection_type, title, hook in (
                ("gcp_batch", "Google Cloud Batch", "gcp_batch.hook.GcpBatchHook"),
                ("cloud_run", "Google Cloud Run Jobs", "cloud_run.hook.CloudRunHook"),
            )
        ],
        "extra-links": [
            "airflow_provider_jobs.operators.links.ConsoleLink",
            "airflow_provider_jobs.operators.links.LogsLink",
        ],
        "config": {
            "airflow_provider_jobs": {
                "description": "Settings of airflow-provider-jobs.",
                "options": {
                    "deployment": {
                        "description": (
                            "A name for this Airflow. It goes into the names of remote jobs, so that two "
                            "Airflows with the same DAGs in one cloud project do not find each other's jobs."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "production",
                        "default": "",
                    },
                    "submissions_per_connection": {
                        "description": (
                            "How many submissions of one connection a triggerer has under way at a time, for "
                            'tasks with submit_from="triggerer", to which pools do not apply.'
                        ),
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": None,
                        "default": "4",
                    },
                    "cloud_logging_reads_per_minute": {
                        "description": (
                            "How often a process reads the logs of a Google Cloud project, burst aside. "
                            "Cloud Logging takes 60 reads per minute and project, whoever asks."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "24",
                    },
                    "cloudwatch_reads_per_second": {
                        "description": (
                            "How often a process reads the logs of an AWS region, burst aside. CloudWatch "
                            "Logs takes 5 reads per second, account and region, whoever asks."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "2",
                    },
                    "max_result_bytes": {
                        "description": "How large a task's result may be in XCom, as JSON.",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": None,
                        "default": "1048576",
                    },
                    "storage_path": {
                        "description": (
                            "Where larger results, jobs' files and larger inputs are kept, as an "
                            "ObjectStoragePath. Without it tasks that need it fail."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://aws_default@my-bucket/jobs",
                        "default": "",
                    },
                    "storage_mount": {
                        "description": (
                            "The directory at which jobs see storage_path. Not needed for file://, nor for "
                            "gs:// on GCP Batch and Cloud Run, where the provider mounts the bucket."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/mnt/jobs",
                        "default": "",
                    },
                    "finish_on_worker": {
                        "description": (
                            "End every successful task on a worker. By default success ends in the triggerer "
                            "unless the task has outlets, a listener is installed, or the like."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "False",
                    },
                },
            }
        },
    }
