"""The overrides of one run, applied to a copy of the job's template.

https://docs.cloud.google.com/run/docs/execute/jobs#override-job-configuration gives the rules: arguments are
replaced or cleared, variables merged by name, task count and timeout replaced.
"""

from __future__ import annotations

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb


def overridden(template: pb.ExecutionTemplate, overrides: pb.Overrides) -> pb.ExecutionTemplate:
    """The template of the execution. The overrides must have been checked."""
    after = pb.ExecutionTemplate()
    after.CopyFrom(template)
    if overrides.task_count:
        after.task_count = overrides.task_count
    if overrides.HasField("timeout"):
        after.template.timeout.CopyFrom(overrides.timeout)
    containers = after.template.containers
    for override in overrides.container_overrides:
        named = [container for container in containers if container.name == override.name]
        _apply(override, named[0] if named else containers[0])
    return after


def _apply(override: pb.ContainerOverride, container: pb.Container) -> None:
    if override.args or override.clear_args:
        del container.args[:]
        container.args.extend(override.args)
    for variable in override.env:
        kept = [present for present in container.env if present.name != variable.name]
        del container.env[:]
        container.env.extend([*kept, variable])
