"""The paths of version 1: ``/apis/run.googleapis.com/v1/namespaces/{project}/jobs|executions|tasks``.

It exists to answer as version 1 of the service answers; the work is done in ``control``. The region is in the
host name alone (``us-central1-run...``), as on the service. Other API groups share the port: a path of
theirs is declined. https://docs.cloud.google.com/run/docs/reference/rest/v1/namespaces.jobs
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from google.rpc import error_details_pb2

from airflow_provider_jobs.backends.cloud_run.emulator import names
from airflow_provider_jobs.backends.cloud_run.emulator.control import ControlPlane, check_etag
from airflow_provider_jobs.backends.cloud_run.emulator.names import ANY, ExecutionName
from airflow_provider_jobs.backends.cloud_run.emulator.records import JobRecord
from airflow_provider_jobs.backends.cloud_run.emulator.v1 import manifests, resources, selectors
from airflow_provider_jobs.backends.cloud_run.emulator.v1.system_annotations import Annotations
from airflow_provider_jobs.backends.cloud_run.emulator.validation import Violation, check_id
from airflow_provider_jobs.emulator.calls import AnswerDropped, Calls, StatusError
from airflow_provider_jobs.emulator.jobs import Job
from airflow_provider_jobs.emulator.protobuf_rpc.rest_transport import error_response, json_response
from airflow_provider_jobs.google_cloud.emulator import paging
from airflow_provider_jobs.google_cloud.emulator.names import REGIONS, Place

_PATH = re.compile(
    r"/apis/run\.googleapis\.com/v1/namespaces/(?P<project>[^/]+)/(?P<kind>jobs|executions|tasks)"
    r"(?:/(?P<name>[^/:]+)(?::(?P<verb>run|cancel))?)?"
)
_SERVICE = "google.cloud.run.v1"
#: Where a job is created when the host name tells no region.
DEFAULT_REGION = "us-central1"


@dataclass(frozen=True)
class Call:
    """One request: where it is meant for, and what it brings."""

    place: Place
    name: str
    query: Any
    body: bytes

    @property
    def home(self) -> Place:
        """The place for what is created: never everywhere."""
        return Place(self.place.project, DEFAULT_REGION) if self.place.location == ANY else self.place

    @property
    def validate_only(self) -> bool:
        return self.query.get("dryRun") == "all"


Work = Callable[[Call], Awaitable[dict[str, Any]]]


class NamespacesApi:
    """Answers the HTTP requests of version 1."""

    def __init__(self, control: ControlPlane, calls: Calls) -> None:
        self._control = control
        self._calls = calls
        self._works: dict[tuple[str, str, bool, str], tuple[str, Work]] = {
            ("POST", "jobs", False, ""): ("Jobs/CreateJob", self._create_job),
            ("GET", "jobs", False, ""): ("Jobs/ListJobs", self._list_jobs),
            ("GET", "jobs", True, ""): ("Jobs/GetJob", self._get_job),
            ("PUT", "jobs", True, ""): ("Jobs/ReplaceJob", self._replace_job),
            ("DELETE", "jobs", True, ""): ("Jobs/DeleteJob", self._delete_job),
            ("POST", "jobs", True, "run"): ("Jobs/RunJob", self._run_job),
            ("GET", "executions", False, ""): ("Executions/ListExecutions", self._list_executions),
            ("GET", "executions", True, ""): ("Executions/GetExecution", self._get_execution),
            ("DELETE", "executions", True, ""): ("Executions/DeleteExecution", self._delete_execution),
            ("POST", "executions", True, "cancel"): ("Executions/CancelExecution", self._cancel_execution),
            ("GET", "tasks", False, ""): ("Tasks/ListTasks", self._list_tasks),
            ("GET", "tasks", True, ""): ("Tasks/GetTask", self._get_task),
        }

    async def __call__(self, request: Request) -> Response | None:
        """The answer, or None when the request is meant for someone else. Raises AnswerDropped."""
        match = _PATH.fullmatch(request.url.path)
        if match is None:
            return None
        key = (request.method, match["kind"], match["name"] is not None, match["verb"] or "")
        if key not in self._works:
            return None
        method, work = self._works[key]
        place = Place(self._control.names.projects.id(match["project"]), _region(request.url.hostname or ""))
        call = Call(place, match["name"] or "", request.query_params, await request.body())
        try:
            return json_response(await self._calls.serve(f"{_SERVICE}.{method}", lambda: work(call)))
        except AnswerDropped:
            raise
        except StatusError as error:
            return error_response(error)

    # Jobs

    async def _create_job(self, call: Call) -> dict[str, Any]:
        manifest = manifests.read_job(call.body)
        self._check_manifest(manifest, call)
        job_id, message = manifest.metadata.name, manifest.message()
        with _violations():
            check_id("metadata.name", job_id)
            record = self._control.create_job(call.home, job_id, message, validate_only=call.validate_only)
        self._keep_annotations(record, manifest)
        return self._job_resource(record)

    async def _replace_job(self, call: Call) -> dict[str, Any]:
        manifest = manifests.read_job(call.body)
        self._check_manifest(manifest, call)
        record = self._job(call)
        given = manifest.metadata.resource_version
        check_etag(f'"{given}"' if given else "", record.etag, name=record.name)
        with _violations():
            record = self._control.update_job(record, manifest.message(), validate_only=call.validate_only)
        self._keep_annotations(record, manifest)
        return self._job_resource(record)

    def _check_manifest(self, manifest: manifests.JobManifest, call: Call) -> None:
        for field, given, wanted in (
            ("apiVersion", manifest.api_version, manifests.API_VERSION),
            ("kind", manifest.kind, "Job"),
        ):
            if given != wanted:
                raise _invalid(Violation(field, f"Expected value '{wanted}' but found '{given}'."))
        namespace = manifest.metadata.namespace
        if namespace and self._control.names.projects.id(namespace) != call.place.project:
            raise _invalid(Violation("metadata.namespace", "must be the namespace of the request."))

    @staticmethod
    def _keep_annotations(record: JobRecord, manifest: manifests.JobManifest) -> None:
        template = manifest.spec.template.metadata.annotations
        record.system_annotations = {
            "job": Annotations.of_template(manifest.metadata.annotations).kept,
            "template": Annotations.of_template(template).kept,
        }

    async def _get_job(self, call: Call) -> dict[str, Any]:
        return self._job_resource(self._job(call))

    async def _list_jobs(self, call: Call) -> dict[str, Any]:
        items = [self._job_resource(record) for record in self._control.jobs(call.place)]
        return _list("JobList", items, call)

    async def _delete_job(self, call: Call) -> dict[str, Any]:
        record = self._job(call)
        if not call.validate_only:
            self._control.delete_job(record)
        return _SUCCESS

    async def _run_job(self, call: Call) -> dict[str, Any]:
        record = self._job(call)
        overrides = manifests.read_run(call.body).message()
        with _violations():
            job = self._control.run_job(record, overrides)
        return self._execution_resource(job)

    # Executions and tasks

    async def _get_execution(self, call: Call) -> dict[str, Any]:
        return self._execution_resource(self._execution(call))

    async def _list_executions(self, call: Call) -> dict[str, Any]:
        found = self._control.listed_executions(ExecutionName(call.place, ANY, ANY))
        return _list("ExecutionList", [self._execution_resource(job) for job in found], call)

    async def _delete_execution(self, call: Call) -> dict[str, Any]:
        self._control.delete_execution(self._execution(call))
        return _SUCCESS

    async def _cancel_execution(self, call: Call) -> dict[str, Any]:
        job = self._execution(call)
        self._control.cancel(job)
        return self._execution_resource(job)

    async def _get_task(self, call: Call) -> dict[str, Any]:
        execution_id, _, index = call.name.rpartition("-task")
        found = self._control.executions(ExecutionName(call.place, ANY, execution_id))
        if not found or not index.isdecimal() or int(index) >= len(found[0].tasks):
            raise names.missing("TASK", call.name, call.home)
        return resources.task_resource(found[0], found[0].tasks[int(index)], number=self._number(call.place))

    async def _list_tasks(self, call: Call) -> dict[str, Any]:
        number = self._number(call.place)
        found = self._control.executions(ExecutionName(call.place, ANY, ANY))
        items = [resources.task_resource(job, task, number=number) for job in found for task in job.tasks]
        return _list("TaskList", items, call)

    def _job(self, call: Call) -> JobRecord:
        """The job of this name; where no region is told, wherever it is."""
        found = [record for record in self._control.jobs(call.place) if record.job_id == call.name]
        if not found:
            raise names.missing("JOB", call.name, call.home)
        return found[0]

    def _execution(self, call: Call) -> Job:
        found = self._control.executions(ExecutionName(call.place, ANY, call.name))
        if not found:
            raise names.missing("EXECUTION", call.name, call.home)
        return found[0]

    def _job_resource(self, record: JobRecord) -> dict[str, Any]:
        return resources.job_resource(record, number=self._number(record.place))

    def _execution_resource(self, job: Job) -> dict[str, Any]:
        return resources.execution_resource(job, number=self._number(job.data.name.place))

    def _number(self, place: Place) -> str:
        return self._control.names.projects.number(place.project)


_SUCCESS = {"status": "Success"}


def _list(kind: str, items: Sequence[dict[str, Any]], call: Call) -> dict[str, Any]:
    """The selected items, a page of them if asked for."""
    selected = selectors.parse(call.query.get("labelSelector", ""))
    found = [item for item in items if selected(item["metadata"]["labels"])]
    limit, token = call.query.get("limit", "0"), call.query.get("continue", "")
    if not limit.isdecimal():
        raise StatusError("INVALID_ARGUMENT", "limit must be a number that is not negative.")
    context = (kind, call.place.name, call.query.get("labelSelector", ""))
    page, following = paging.page(found, size=int(limit), token=token, context=context)
    metadata = {"continue": following} if following else {}
    return {"apiVersion": manifests.API_VERSION, "kind": kind, "metadata": metadata, "items": list(page)}


def _region(host: str) -> str:
    """The region that a host name begins with; "-" when it begins with none."""
    return next((region for region in REGIONS if host.startswith(f"{region}-")), ANY)


#: Version 2's way to a field, and version 1's.
_FIELDS = (
    ("template.template.", "spec.template.spec.template.spec."),
    ("template.template", "spec.template.spec.template.spec"),
    ("template.labels", "spec.template.metadata.labels"),
    ("template.annotations", "spec.template.metadata.annotations"),
    ("template.", "spec.template.spec."),
    ("template", "spec.template"),
    ("labels", "metadata.labels"),
    ("annotations", "metadata.annotations"),
)
_UNDERLINE = re.compile(r"_([a-z])")


@contextmanager
def _violations() -> Iterator[None]:
    """A violation as version 1 tells of it."""
    try:
        yield
    except Violation as violation:
        raise _invalid(violation) from None


def _invalid(violation: Violation) -> StatusError:
    """The error of a violation, with version 1's path to the field."""
    field = violation.field
    for start, replacement in _FIELDS:
        if field.startswith(start):
            field = replacement + field.removeprefix(start)
            break
    field = _UNDERLINE.sub(lambda match: match[1].upper(), field)
    detail = error_details_pb2.BadRequest()
    detail.field_violations.add(field=field, description=violation.why)
    return StatusError("INVALID_ARGUMENT", f"{field}: {violation.why}", details=(detail,))
