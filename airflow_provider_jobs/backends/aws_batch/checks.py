"""What portable and vendor's arguments ask of each other. Pure, and free of AWS's packages."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_jobs.backends.aws_batch.options import AwsBatchOptions
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.spec import JobSpec

_SHAPES = ("container_overrides", "ecs_properties_override", "eks_properties_override")
_OF_NODES = ("node_overrides", "num_nodes")
_OF_DEFINITION = (
    "execution_role",
    "job_role",
    "log_configuration",
    "linux_parameters",
    "volumes",
    "mount_points",
    "assign_public_ip",
    "ephemeral_storage_gib",
    "fargate_platform_version",
    "runtime_platform",
)
_OF_FARGATE = ("assign_public_ip", "ephemeral_storage_gib", "fargate_platform_version", "runtime_platform")


def check(spec: JobSpec, options: AwsBatchOptions) -> None:
    """Do nothing where the arguments go together.

    :raises InvalidArgument: names the argument, the value and the remedy
    """
    for wrong in (
        *_what_runs(spec, options),
        *_shapes(spec, options),
        *_fargate(spec, options),
        *_dependencies(spec, options),
    ):
        raise wrong


def defines(spec: JobSpec, options: AwsBatchOptions) -> bool:
    """Return whether a job definition is registered for the job."""
    return options.job_definition is None and not isinstance(spec.native.get("jobDefinition"), str)


def _what_runs(spec: JobSpec, options: AwsBatchOptions) -> Iterator[InvalidArgument]:
    if not defines(spec, options):
        if spec.image and options.eks_properties_override is None:
            yield InvalidArgument(
                "image",
                "it is given beside job_definition, which names its own image",
                remedy="Keep one of them; for a job definition of EKS give eks_properties_override={}",
            )
        if spec.secrets:
            yield InvalidArgument(
                "secrets",
                "they are given beside job_definition, and stand in a job definition alone",
                remedy="Put them into the job definition, or give image instead",
            )
        for name in _given(options, _OF_DEFINITION):
            yield InvalidArgument(
                name,
                "it is given beside job_definition, and stands in a job definition alone",
                remedy="Put it into the job definition, or give image instead",
            )
        return
    if not spec.image and "jobDefinition" not in spec.native:
        yield InvalidArgument(
            "job_definition",
            "nothing says what to run",
            remedy="Give job_definition, image, or a whole jobDefinition in native",
        )
    if spec.secrets and options.execution_role is None:
        yield InvalidArgument(
            "execution_role",
            "secrets are given and no role that may read them",
            remedy="Give the ARN of a role that ECS assumes to read them",
        )


def _shapes(spec: JobSpec, options: AwsBatchOptions) -> Iterator[InvalidArgument]:
    shapes = [*_given(options, _SHAPES), *list(_given(options, _OF_NODES))[:1]]
    if len(shapes) > 1:
        yield InvalidArgument(
            shapes[1], f"it is given beside {shapes[0]}", remedy="Keep the one that fits the job definition"
        )
    is_single = defines(spec, options) and "jobDefinition" not in spec.native
    for name in _given(options, ("ecs_properties_override", "eks_properties_override")):
        if is_single:
            yield InvalidArgument(
                name,
                "it is given beside image, for which a job definition of one container is registered",
                remedy="Name a job_definition of that kind",
            )
    for name in _given(options, _OF_NODES):
        if spec.array_size > 1:
            yield InvalidArgument(
                name,
                f"it is given beside array_size={spec.array_size}, and a job of several nodes is no array",
                remedy="Keep one of them",
            )
        if options.platform == "FARGATE":
            yield InvalidArgument(
                name,
                "Fargate runs no job on several nodes",
                remedy="Use a queue of EC2 and leave platform out",
            )
    if options.num_nodes is None and options.node_overrides is not None and is_single:
        yield InvalidArgument(
            "num_nodes", "node_overrides is given beside image", remedy="Give num_nodes too"
        )
    if options.propagate_tags is not None and options.eks_properties_override is not None:
        yield InvalidArgument("propagate_tags", "there is no task of ECS on EKS", remedy="Leave it out")


def _fargate(spec: JobSpec, options: AwsBatchOptions) -> Iterator[InvalidArgument]:
    if options.platform != "FARGATE":
        for name in _given(options, _OF_FARGATE):
            yield InvalidArgument(name, "it is for Fargate alone", remedy="Give platform='FARGATE' too")
        return
    if spec.gpu:
        yield InvalidArgument("gpu", "Fargate has none", remedy="Use a queue of EC2 and leave platform out")
    if spec.image and options.execution_role is None:
        yield InvalidArgument(
            "execution_role",
            "platform is FARGATE and none is given",
            remedy="Give the ARN of a role with the policy AmazonECSTaskExecutionRolePolicy",
        )


def _dependencies(spec: JobSpec, options: AwsBatchOptions) -> Iterator[InvalidArgument]:
    for each in options.depends_on or ():
        if spec.array_size == 1 and (each.type == "N_TO_N" or each.job_id is None):
            yield InvalidArgument(
                "depends_on",
                f"type {each.type} is for arrays, and array_size is 1",
                remedy="Leave type out, or give array_size",
            )


def _given(options: AwsBatchOptions, names: tuple[str, ...]) -> Iterator[str]:
    return (name for name in names if getattr(options, name) is not None)
