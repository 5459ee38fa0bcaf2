"""The links of a job on the task's page: the vendor's console and its log viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow_provider_jobs.core.models import JobHandle


class ConsoleLink(BaseOperatorLink):
    """Opens the job in the vendor's console."""

    name = "Job"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - the name is Airflow's
        """Return the address, empty before the job is submitted."""
        return self.address(getattr(operator, "job_handle", None))

    def address(self, handle: JobHandle | None) -> str:
        """Return the address of a job."""
        return (handle.console_url if handle else None) or ""


class LogsLink(BaseOperatorLink):
    """Opens the job's log in the vendor's log viewer."""

    name = "Job logs"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - the name is Airflow's
        """Return the address, empty before the job is submitted."""
        return self.address(getattr(operator, "job_handle", None))

    def address(self, handle: JobHandle | None) -> str:
        """Return the address of a job's log."""
        return (handle.logs_url if handle else None) or ""
