"""The share of an account's quota of log queries that this process takes.

Poll groups of several connections and queues read in one region, so the budget belongs to the process and the
region; accounts are not told apart, since a connection does not say which one is its own.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs.core.budget import CallBudget, shared_budget

# Less than half of the 5 that the service takes in a second, and with the burst no more than all of them:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
READS_PER_SECOND = 2.0
_BURST_SECONDS = 1.5


def budget_of(region: str) -> CallBudget:
    """Return the budget of a region, at ``[airflow_provider_jobs] cloudwatch_reads_per_second``."""
    per_second = conf.getfloat(
        "airflow_provider_jobs", "cloudwatch_reads_per_second", fallback=READS_PER_SECOND
    )
    burst = max(1, int(per_second * _BURST_SECONDS))
    return shared_budget(f"CloudWatch Logs {region}", per_second, burst=burst)
