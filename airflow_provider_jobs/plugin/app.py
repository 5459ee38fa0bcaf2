"""The routes of the page. Airflow mounts them bare, so each asks for the right to read the DAG itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Query, status
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader

from airflow_provider_jobs.plugin.views import MOST_JOBS, JobView, TaskAddress, job_of, waiting_jobs

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_MAY_READ = [
    Depends(requires_access_dag("GET", access_entity))
    for access_entity in (DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
]


def make_app() -> FastAPI:
    """Return the application that Airflow mounts."""
    app = FastAPI(title="Container jobs", description="The jobs of tasks, as Airflow knows them.")

    @app.get("/api/job", dependencies=_MAY_READ, response_model_exclude_none=True)
    def job(task: Annotated[TaskAddress, Query()], session: SessionDep) -> JobView:
        """Return the job of a task instance."""
        return _job(session, task)

    @app.get("/api/jobs", response_model_exclude_none=True)
    def jobs(user: GetUserDep, session: SessionDep) -> list[JobView]:
        """Return the jobs that are waited for, of the DAGs that the user may read."""
        return _jobs(session, user)

    @app.get("/job", dependencies=_MAY_READ, include_in_schema=False)
    def job_page(task: Annotated[TaskAddress, Query()], session: SessionDep) -> HTMLResponse:
        return _page("job.html", job=_job(session, task))

    @app.get("/jobs", include_in_schema=False)
    def jobs_page(user: GetUserDep, session: SessionDep) -> HTMLResponse:
        return _page("jobs.html", jobs=_jobs(session, user), most=MOST_JOBS)

    return app


def _job(session: SessionDep, task: TaskAddress) -> JobView:
    found = job_of(session, task)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no task instance {task.model_dump()}")
    return found


def _jobs(session: SessionDep, user: GetUserDep) -> list[JobView]:
    return waiting_jobs(session, get_auth_manager().get_authorized_dag_ids(user=user))


def _page(name: str, **values: object) -> HTMLResponse:
    return HTMLResponse(_PAGES.get_template(name).render(**values))
