"""Every method of version 2: its name, its messages, its place over HTTP.

It exists as the one table that both transports read. Paths: the discovery document of run v2.
"""

from __future__ import annotations

from google.iam.v1 import iam_policy_pb2

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator.services import (
    ExecutionsService,
    JobsService,
    TasksService,
    unimplemented,
)
from airflow_provider_jobs.emulator.protobuf_rpc.methods import HttpRule, RpcMethod
from airflow_provider_jobs.google_cloud.emulator.routes import PLACE, method

_JOBS = "google.cloud.run.v2.Jobs"
_EXECUTIONS = "google.cloud.run.v2.Executions"
_TASKS = "google.cloud.run.v2.Tasks"
_JOB = f"{PLACE}/jobs/*"
_EXECUTION = f"{_JOB}/executions/*"


def job_methods(jobs: JobsService) -> list[RpcMethod]:
    """google.cloud.run.v2.Jobs."""
    create = HttpRule("POST", f"/v2/{{parent={PLACE}}}/jobs", "job")
    get, listing = HttpRule("GET", f"/v2/{{name={_JOB}}}"), HttpRule("GET", f"/v2/{{parent={PLACE}}}/jobs")
    update = HttpRule("PATCH", f"/v2/{{job.name={_JOB}}}", "job")
    delete = HttpRule("DELETE", f"/v2/{{name={_JOB}}}")
    run = HttpRule("POST", f"/v2/{{name={_JOB}}}:run", "*")
    return [
        method(_JOBS, "CreateJob", pb.CreateJobRequest, jobs.create_job, create),
        method(_JOBS, "GetJob", pb.GetJobRequest, jobs.get_job, get),
        method(_JOBS, "ListJobs", pb.ListJobsRequest, jobs.list_jobs, listing),
        method(_JOBS, "UpdateJob", pb.UpdateJobRequest, jobs.update_job, update),
        method(_JOBS, "DeleteJob", pb.DeleteJobRequest, jobs.delete_job, delete),
        method(_JOBS, "RunJob", pb.RunJobRequest, jobs.run_job, run),
        *_policy_methods(),
    ]


def _policy_methods() -> list[RpcMethod]:
    """Who may do what is nobody's question here."""
    iam = iam_policy_pb2
    get = HttpRule("GET", f"/v2/{{resource={_JOB}}}:getIamPolicy")
    put = HttpRule("POST", f"/v2/{{resource={_JOB}}}:setIamPolicy", "*")
    test = HttpRule("POST", f"/v2/{{resource={_JOB}}}:testIamPermissions", "*")
    return [
        method(_JOBS, "GetIamPolicy", iam.GetIamPolicyRequest, unimplemented, get),
        method(_JOBS, "SetIamPolicy", iam.SetIamPolicyRequest, unimplemented, put),
        method(_JOBS, "TestIamPermissions", iam.TestIamPermissionsRequest, unimplemented, test),
    ]


def execution_methods(executions: ExecutionsService) -> list[RpcMethod]:
    """google.cloud.run.v2.Executions."""
    get = HttpRule("GET", f"/v2/{{name={_EXECUTION}}}")
    listing = HttpRule("GET", f"/v2/{{parent={_JOB}}}/executions")
    delete = HttpRule("DELETE", f"/v2/{{name={_EXECUTION}}}")
    cancel = HttpRule("POST", f"/v2/{{name={_EXECUTION}}}:cancel", "*")
    work, name = executions, _EXECUTIONS
    return [
        method(name, "GetExecution", pb.GetExecutionRequest, work.get_execution, get),
        method(name, "ListExecutions", pb.ListExecutionsRequest, work.list_executions, listing),
        method(name, "DeleteExecution", pb.DeleteExecutionRequest, work.delete_execution, delete),
        method(name, "CancelExecution", pb.CancelExecutionRequest, work.cancel_execution, cancel),
    ]


def task_methods(tasks: TasksService) -> list[RpcMethod]:
    """google.cloud.run.v2.Tasks."""
    get = HttpRule("GET", f"/v2/{{name={_EXECUTION}/tasks/*}}")
    listing = HttpRule("GET", f"/v2/{{parent={_EXECUTION}}}/tasks")
    return [
        method(_TASKS, "GetTask", pb.GetTaskRequest, tasks.get_task, get),
        method(_TASKS, "ListTasks", pb.ListTasksRequest, tasks.list_tasks, listing),
    ]
