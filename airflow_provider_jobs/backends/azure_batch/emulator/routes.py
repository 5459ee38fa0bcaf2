"""Every method of the dialect: its verb, its path, its name.

It exists as the one table that the transport reads. Names are those of the service's description, and what
``/_admin/counters`` and faults go by. https://learn.microsoft.com/rest/api/batchservice/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from airflow_provider_jobs.backends.azure_batch.emulator.errors import refusal
from airflow_provider_jobs.backends.azure_batch.emulator.files import FileService
from airflow_provider_jobs.backends.azure_batch.emulator.job_service import JobService
from airflow_provider_jobs.backends.azure_batch.emulator.messages import Answer, Call
from airflow_provider_jobs.backends.azure_batch.emulator.pool_service import PoolService
from airflow_provider_jobs.backends.azure_batch.emulator.task_service import TaskService

Work = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    """One method. A last part ``{name*}`` of the path takes all that is left."""

    verb: str
    path: str
    name: str
    work: Work

    def match(self, parts: list[str]) -> dict[str, str] | None:
        """The parameters of a path that is this one; None for another."""
        wanted = self.path.strip("/").split("/")
        if wanted[-1].endswith("*}") and len(parts) > len(wanted):
            parts = [*parts[: len(wanted) - 1], "/".join(parts[len(wanted) - 1 :])]
        if len(wanted) != len(parts):
            return None
        found = {}
        for name, part in zip(wanted, parts, strict=True):
            if name.startswith("{"):
                found[name.strip("{*}")] = part
            elif name != part.lower():
                return None
        return found


def routes(pools: PoolService, jobs: JobService, tasks: TaskService, files: FileService) -> list[Route]:
    """All of them; the first that matches is taken."""
    return [*_pool_routes(pools), *_job_routes(jobs), *_task_routes(tasks), *_file_routes(files), *_others()]


def _pool_routes(pools: PoolService) -> list[Route]:
    one, node = "/pools/{poolId}", "/pools/{poolId}/nodes/{nodeId}"
    return [
        Route("POST", "/pools", "CreatePool", pools.create_pool),
        Route("GET", "/pools", "ListPools", pools.list_pools),
        Route("GET", one, "GetPool", pools.get_pool),
        Route("HEAD", one, "PoolExists", pools.pool_exists),
        Route("PATCH", one, "UpdatePool", pools.update_pool),
        Route("DELETE", one, "DeletePool", pools.delete_pool),
        Route("POST", f"{one}/updateproperties", "ReplacePoolProperties", pools.replace_pool),
        Route("POST", f"{one}/resize", "ResizePool", pools.resize_pool),
        Route("POST", f"{one}/stopresize", "StopPoolResize", pools.stop_resize),
        Route("POST", f"{one}/enableautoscale", "EnablePoolAutoScale", pools.enable_auto_scale),
        Route("POST", f"{one}/disableautoscale", "DisablePoolAutoScale", pools.disable_auto_scale),
        Route("POST", f"{one}/evaluateautoscale", "EvaluatePoolAutoScale", pools.evaluate_auto_scale),
        Route("POST", f"{one}/removenodes", "RemoveNodes", pools.remove_nodes),
        Route("GET", "/nodecounts", "ListPoolNodeCounts", pools.list_node_counts),
        Route("GET", "/supportedimages", "ListSupportedImages", pools.list_supported_images),
        Route("GET", f"{one}/nodes", "ListNodes", pools.list_nodes),
        Route("GET", node, "GetNode", pools.get_node),
        Route("POST", f"{node}/reboot", "RebootNode", pools.reboot_node),
        Route("POST", f"{node}/reimage", "ReimageNode", pools.reimage_node),
        Route("POST", f"{node}/disablescheduling", "DisableNodeScheduling", pools.disable_scheduling),
        Route("POST", f"{node}/enablescheduling", "EnableNodeScheduling", pools.enable_scheduling),
    ]


def _job_routes(jobs: JobService) -> list[Route]:
    one = "/jobs/{jobId}"
    prepared = f"{one}/jobpreparationandreleasetaskstatus"
    return [
        Route("POST", "/jobs", "CreateJob", jobs.create_job),
        Route("GET", "/jobs", "ListJobs", jobs.list_jobs),
        Route("GET", one, "GetJob", jobs.get_job),
        Route("PATCH", one, "UpdateJob", jobs.update_job),
        Route("PUT", one, "ReplaceJob", jobs.replace_job),
        Route("DELETE", one, "DeleteJob", jobs.delete_job),
        Route("POST", f"{one}/terminate", "TerminateJob", jobs.terminate_job),
        Route("POST", f"{one}/disable", "DisableJob", jobs.disable_job),
        Route("POST", f"{one}/enable", "EnableJob", jobs.enable_job),
        Route("GET", f"{one}/taskcounts", "GetJobTaskCounts", jobs.get_task_counts),
        Route("GET", prepared, "ListJobPreparationAndReleaseTaskStatus", jobs.list_preparation_and_release),
    ]


def _task_routes(tasks: TaskService) -> list[Route]:
    every, one = "/jobs/{jobId}/tasks", "/jobs/{jobId}/tasks/{taskId}"
    collection = "/jobs/{jobId}/addtaskcollection"
    return [
        Route("POST", every, "CreateTask", tasks.create_task),
        Route("GET", every, "ListTasks", tasks.list_tasks),
        Route("POST", collection, "CreateTaskCollection", tasks.create_task_collection),
        Route("GET", one, "GetTask", tasks.get_task),
        Route("PUT", one, "ReplaceTask", tasks.replace_task),
        Route("DELETE", one, "DeleteTask", tasks.delete_task),
        Route("POST", f"{one}/terminate", "TerminateTask", tasks.terminate_task),
        Route("POST", f"{one}/reactivate", "ReactivateTask", tasks.reactivate_task),
        Route("GET", f"{one}/subtasksinfo", "ListSubTasks", tasks.list_subtasks),
    ]


def _file_routes(files: FileService) -> list[Route]:
    of_task, of_node = "/jobs/{jobId}/tasks/{taskId}/files", "/pools/{poolId}/nodes/{nodeId}/files"
    return [
        Route("GET", of_task, "ListTaskFiles", files.list_task_files),
        Route("GET", f"{of_task}/{{filePath*}}", "GetTaskFile", files.get_task_file),
        Route("HEAD", f"{of_task}/{{filePath*}}", "GetTaskFileProperties", files.get_task_file_properties),
        Route("DELETE", f"{of_task}/{{filePath*}}", "DeleteTaskFile", files.delete_task_file),
        Route("GET", of_node, "ListNodeFiles", files.list_node_files),
        Route("GET", f"{of_node}/{{filePath*}}", "GetNodeFile", files.get_node_file),
        Route("HEAD", f"{of_node}/{{filePath*}}", "GetNodeFileProperties", files.get_node_file_properties),
        Route("DELETE", f"{of_node}/{{filePath*}}", "DeleteNodeFile", files.delete_node_file),
    ]


def _others() -> list[Route]:
    """What the account has none of, and what the local cloud does not do."""

    async def applications(_: Call) -> Answer:
        return Answer(body={"value": []}, metadata="applicationsummaries")

    async def application(_: Call) -> Answer:
        raise refusal("ApplicationNotFound")

    async def schedules(_: Call) -> Answer:
        return Answer(body={"value": []}, metadata="jobschedules")

    async def schedule(_: Call) -> Answer:
        raise refusal("JobScheduleNotFound")

    async def no_schedules(_: Call) -> Answer:
        raise refusal("NotImplemented", "The local cloud has no job schedules; schedule with Airflow.")

    return [
        Route("GET", "/applications", "ListApplications", applications),
        Route("GET", "/applications/{applicationId}", "GetApplication", application),
        Route("GET", "/jobschedules", "ListJobSchedules", schedules),
        Route("POST", "/jobschedules", "CreateJobSchedule", no_schedules),
        *(
            Route(verb, "/jobschedules/{rest*}", "GetJobSchedule", schedule)
            for verb in ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")
        ),
    ]
