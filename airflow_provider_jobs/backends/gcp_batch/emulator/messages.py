"""The service's messages as plain protobuf classes.

It exists because the client library wraps them, and a server has to read and write what is on the wire.
To a type checker they are of any type: the classes are made at run time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TypeAlias

    CreateJobRequest: TypeAlias = Any
    GetJobRequest: TypeAlias = Any
    ListJobsRequest: TypeAlias = Any
    ListJobsResponse: TypeAlias = Any
    DeleteJobRequest: TypeAlias = Any
    CancelJobRequest: TypeAlias = Any
    CancelJobResponse: TypeAlias = Any
    GetTaskRequest: TypeAlias = Any
    ListTasksRequest: TypeAlias = Any
    ListTasksResponse: TypeAlias = Any
    OperationMetadata: TypeAlias = Any
    AllocationPolicy: TypeAlias = Any
    Environment: TypeAlias = Any
    Job: TypeAlias = Any
    JobStatus: TypeAlias = Any
    Runnable: TypeAlias = Any
    StatusEvent: TypeAlias = Any
    Task: TypeAlias = Any
    TaskGroup: TypeAlias = Any
    TaskGroupStatus: TypeAlias = Any
    TaskSpec: TypeAlias = Any
else:
    from google.cloud import batch_v1

    CreateJobRequest = batch_v1.CreateJobRequest.pb()
    GetJobRequest = batch_v1.GetJobRequest.pb()
    ListJobsRequest = batch_v1.ListJobsRequest.pb()
    ListJobsResponse = batch_v1.ListJobsResponse.pb()
    DeleteJobRequest = batch_v1.DeleteJobRequest.pb()
    CancelJobRequest = batch_v1.CancelJobRequest.pb()
    CancelJobResponse = batch_v1.CancelJobResponse.pb()
    GetTaskRequest = batch_v1.GetTaskRequest.pb()
    ListTasksRequest = batch_v1.ListTasksRequest.pb()
    ListTasksResponse = batch_v1.ListTasksResponse.pb()
    OperationMetadata = batch_v1.OperationMetadata.pb()
    AllocationPolicy = batch_v1.AllocationPolicy.pb()
    Environment = batch_v1.Environment.pb()
    Job = batch_v1.Job.pb()
    JobStatus = batch_v1.JobStatus.pb()
    Runnable = batch_v1.Runnable.pb()
    StatusEvent = batch_v1.StatusEvent.pb()
    Task = batch_v1.Task.pb()
    TaskGroup = batch_v1.TaskGroup.pb()
    TaskGroupStatus = batch_v1.JobStatus.TaskGroupStatus.pb()
    TaskSpec = batch_v1.TaskSpec.pb()
