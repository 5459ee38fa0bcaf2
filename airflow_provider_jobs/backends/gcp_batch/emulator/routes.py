"""Every method of BatchService: its name, its messages, its place over HTTP.

It exists as the one table that both transports read. Paths: the discovery document of batch v1.
"""

from __future__ import annotations

from airflow_provider_jobs.backends.gcp_batch.emulator import messages as pb
from airflow_provider_jobs.backends.gcp_batch.emulator.batch_service import BatchService
from airflow_provider_jobs.emulator.protobuf_rpc.methods import HttpRule, RpcMethod
from airflow_provider_jobs.google_cloud.emulator.routes import PLACE, method

_BATCH = "google.cloud.batch.v1.BatchService"


def batch_methods(batch: BatchService) -> list[RpcMethod]:
    """BatchService itself."""
    job, tasks = f"{PLACE}/jobs/*", f"{PLACE}/jobs/*/taskGroups/*"
    create, get = (
        HttpRule("POST", f"/v1/{{parent={PLACE}}}/jobs", "job"),
        HttpRule("GET", f"/v1/{{name={job}}}"),
    )
    cancel = HttpRule("POST", f"/v1/{{name={job}}}:cancel", "*")
    get_task = HttpRule("GET", f"/v1/{{name={tasks}/tasks/*}}")
    list_tasks = HttpRule("GET", f"/v1/{{parent={tasks}}}/tasks")
    list_jobs = HttpRule("GET", f"/v1/{{parent={PLACE}}}/jobs")
    delete = HttpRule("DELETE", f"/v1/{{name={job}}}")
    return [
        method(_BATCH, "CreateJob", pb.CreateJobRequest, batch.create_job, create),
        method(_BATCH, "CancelJob", pb.CancelJobRequest, batch.cancel_job, cancel),
        method(_BATCH, "GetJob", pb.GetJobRequest, batch.get_job, get),
        method(_BATCH, "ListJobs", pb.ListJobsRequest, batch.list_jobs, list_jobs),
        method(_BATCH, "DeleteJob", pb.DeleteJobRequest, batch.delete_job, delete),
        method(_BATCH, "GetTask", pb.GetTaskRequest, batch.get_task, get_task),
        method(_BATCH, "ListTasks", pb.ListTasksRequest, batch.list_tasks, list_tasks),
    ]
