"""The share of a project's quota of log queries that this process takes.

Poll groups of several regions, connections and services read the logs of one project, so the budget belongs
to the process and the project.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs.core.budget import CallBudget, shared_budget

# Less than half of what the service takes, burst included: https://cloud.google.com/logging/quotas#api-limits
READS_PER_MINUTE = 24.0
_BURST_SHARE = 0.2


def budget_of(project: str) -> CallBudget:
    """Return the budget of a project, at ``[airflow_provider_jobs] cloud_logging_reads_per_minute``."""
    per_minute = conf.getfloat(
        "airflow_provider_jobs", "cloud_logging_reads_per_minute", fallback=READS_PER_MINUTE
    )
    burst = max(1, int(per_minute * _BURST_SHARE))
    return shared_budget(f"Cloud Logging {project}", per_minute / 60, burst=burst)
