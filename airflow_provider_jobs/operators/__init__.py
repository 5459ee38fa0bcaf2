"""Every operator by its short name, and the retry policy, each loaded when it is first used.

``from airflow_provider_jobs.operators import GcpBatchJobOperator``
"""

from __future__ import annotations

from typing import Any

from airflow_provider_jobs.core.registry import backends, load

_OWN = (
    "airflow_provider_jobs.operators.container:ContainerJobOperator",
    "airflow_provider_jobs.operators.retry_policy:JobRetry",
    "airflow_provider_jobs.operators.retry_policy:JobRetryPolicy",
)


def _paths() -> dict[str, str]:
    return {path.partition(":")[2]: path for path in (*_OWN, *(entry.operator for entry in backends()))}


def __getattr__(name: str) -> Any:
    try:
        path = _paths()[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return load(path)


def __dir__() -> list[str]:
    return sorted(_paths())
