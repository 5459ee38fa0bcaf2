"""What Airflow's plugin manager reads in every one of its processes: it must import nothing heavy.

Airflow reads :attr:`JobsPlugin.fastapi_apps` in the API server alone, and only there the page is loaded.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

URL_PREFIX = "/airflow-jobs"
# The UI puts the page's own place into the address: https://airflow.apache.org/docs/apache-airflow/stable/howto/custom-view-plugin.html
_TASK = "dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"


class JobsPlugin(AirflowPlugin):
    """Puts a page with its job beside each task instance, and one of all waiting jobs into the navigation."""

    name = "airflow_provider_jobs"
    external_views: list[Any] = [
        {
            "name": "Job",
            "href": f"{URL_PREFIX.removeprefix('/')}/job?{_TASK}",
            "destination": "task_instance",
            "url_route": "container_job",
        },
        {
            "name": "Waiting jobs",
            "href": f"{URL_PREFIX.removeprefix('/')}/jobs",
            "destination": "nav",
            "category": "browse",
            "url_route": "container_jobs",
        },
    ]

    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """Return the pages."""
        from airflow_provider_jobs.plugin.app import make_app

        return [{"app": make_app(), "url_prefix": URL_PREFIX, "name": "Container jobs"}]
