"""What Airflow's provider discovery reads. It may run before configuration is ready: import nothing heavy."""

from __future__ import annotations

from typing import Any

from airflow_provider_jobs import __version__

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
        "description": "Container jobs on GCP Batch as DAG tasks: submitted once, deferred, logs live.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "Google Cloud Batch",
                "external-doc-url": "https://cloud.google.com/batch/docs",
                "tags": ["gcp"],
            }
        ],
        "operators": [
            {
                "integration-name": "Google Cloud Batch",
                "python-modules": ["airflow_provider_jobs.operators"],
            }
        ],
        "hooks": [
            {
                "integration-name": "Google Cloud Batch",
                "python-modules": ["airflow_provider_jobs.hooks"],
            }
        ],
        "triggers": [
            {
                "integration-name": "Google Cloud Batch",
                "python-modules": ["airflow_provider_jobs.triggers.job"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "gcp_batch",
                "hook-class-name": "airflow_provider_jobs.backends.gcp_batch.hook.GcpBatchHook",
                "hook-name": "Google Cloud Batch",
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
