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
    UpdateJobRequest: TypeAlias = Any
    DeleteJobRequest: TypeAlias = Any
    RunJobRequest: TypeAlias = Any
    GetExecutionRequest: TypeAlias = Any
    ListExecutionsRequest: TypeAlias = Any
    ListExecutionsResponse: TypeAlias = Any
    DeleteExecutionRequest: TypeAlias = Any
    CancelExecutionRequest: TypeAlias = Any
    GetTaskRequest: TypeAlias = Any
    ListTasksRequest: TypeAlias = Any
    ListTasksResponse: TypeAlias = Any
    Condition: TypeAlias = Any
    Container: TypeAlias = Any
    ContainerOverride: TypeAlias = Any
    EnvVar: TypeAlias = Any
    Execution: TypeAlias = Any
    ExecutionReference: TypeAlias = Any
    ExecutionTemplate: TypeAlias = Any
    Job: TypeAlias = Any
    Overrides: TypeAlias = Any
    ResourceRequirements: TypeAlias = Any
    Task: TypeAlias = Any
    TaskAttemptResult: TypeAlias = Any
    TaskTemplate: TypeAlias = Any
    Volume: TypeAlias = Any
else:
    from google.cloud import run_v2

    CreateJobRequest = run_v2.CreateJobRequest.pb()
    GetJobRequest = run_v2.GetJobRequest.pb()
    ListJobsRequest = run_v2.ListJobsRequest.pb()
    ListJobsResponse = run_v2.ListJobsResponse.pb()
    UpdateJobRequest = run_v2.UpdateJobRequest.pb()
    DeleteJobRequest = run_v2.DeleteJobRequest.pb()
    RunJobRequest = run_v2.RunJobRequest.pb()
    GetExecutionRequest = run_v2.GetExecutionRequest.pb()
    ListExecutionsRequest = run_v2.ListExecutionsRequest.pb()
    ListExecutionsResponse = run_v2.ListExecutionsResponse.pb()
    DeleteExecutionRequest = run_v2.DeleteExecutionRequest.pb()
    CancelExecutionRequest = run_v2.CancelExecutionRequest.pb()
    GetTaskRequest = run_v2.GetTaskRequest.pb()
    ListTasksRequest = run_v2.ListTasksRequest.pb()
    ListTasksResponse = run_v2.ListTasksResponse.pb()
    Condition = run_v2.Condition.pb()
    Container = run_v2.Container.pb()
    ContainerOverride = run_v2.RunJobRequest.Overrides.ContainerOverride.pb()
    EnvVar = run_v2.EnvVar.pb()
    Execution = run_v2.Execution.pb()
    ExecutionReference = run_v2.ExecutionReference.pb()
    ExecutionTemplate = run_v2.ExecutionTemplate.pb()
    Job = run_v2.Job.pb()
    Overrides = run_v2.RunJobRequest.Overrides.pb()
    ResourceRequirements = run_v2.ResourceRequirements.pb()
    Task = run_v2.Task.pb()
    TaskAttemptResult = run_v2.TaskAttemptResult.pb()
    TaskTemplate = run_v2.TaskTemplate.pb()
    Volume = run_v2.Volume.pb()
