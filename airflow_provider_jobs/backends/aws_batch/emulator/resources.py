"""Compute environments, job queues, job definitions and scheduling policies, as Batch tells of them.

It exists so that what is answered and what decides about jobs is one thing. It must not check requests or
run jobs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator.names import digest

Detail = dict[str, Any]

FARGATE_TYPES = frozenset({"FARGATE", "FARGATE_SPOT"})
SPOT_TYPES = frozenset({"SPOT", "FARGATE_SPOT"})


@dataclass(eq=False)
class ComputeEnvironment:
    """Where jobs run. ``detail`` is the description as answered; ``used_vcpus`` is what jobs hold of it."""

    detail: Detail
    used_vcpus: float = 0

    @property
    def name(self) -> str:
        return self.detail["computeEnvironmentName"]

    @property
    def arn(self) -> str:
        return self.detail["computeEnvironmentArn"]

    @property
    def usable(self) -> bool:
        return self.detail["state"] == "ENABLED" and self.detail["status"] == "VALID"

    @property
    def kind(self) -> str:
        """EC2, SPOT, FARGATE or FARGATE_SPOT; EC2 for one that is not managed."""
        return self.detail.get("computeResources", {}).get("type", "EC2")

    @property
    def on_fargate(self) -> bool:
        return self.kind in FARGATE_TYPES

    @property
    def on_spot(self) -> bool:
        return self.kind in SPOT_TYPES

    @property
    def on_eks(self) -> bool:
        return "eksConfiguration" in self.detail

    @property
    def max_vcpus(self) -> float:
        """Unmanaged environments have as many as their owner gives them, so there is no limit here."""
        return self.detail.get("computeResources", {}).get("maxvCpus", float("inf"))

    @property
    def has_gpus(self) -> bool:
        """Whether some machine in it has a GPU; one that names no machines has whatever is asked for."""
        types = self.detail.get("computeResources", {}).get("instanceTypes", [])
        return not types or any(kind[:1] in ("g", "p") for kind in types)

    @property
    def cluster(self) -> str:
        """The name of the ECS cluster that stands behind it."""
        return f"AWSBatch-{self.name}-{self.detail['uuid']}"


@dataclass(eq=False)
class JobQueue:
    """What jobs are submitted to. ``environments`` in the order in which they are tried."""

    detail: Detail
    environments: list[ComputeEnvironment]

    @property
    def name(self) -> str:
        return self.detail["jobQueueName"]

    @property
    def arn(self) -> str:
        return self.detail["jobQueueArn"]

    @property
    def priority(self) -> int:
        return self.detail["priority"]

    @property
    def accepts(self) -> bool:
        return self.detail["state"] == "ENABLED" and self.detail["status"] == "VALID"

    @property
    def fair_share(self) -> bool:
        return "schedulingPolicyArn" in self.detail

    @property
    def on_fargate(self) -> bool:
        return any(environment.on_fargate for environment in self.environments)

    @property
    def on_eks(self) -> bool:
        return any(environment.on_eks for environment in self.environments)


@dataclass(eq=False)
class JobDefinition:
    """One revision of a job definition."""

    detail: Detail

    @property
    def name(self) -> str:
        return self.detail["jobDefinitionName"]

    @property
    def arn(self) -> str:
        return self.detail["jobDefinitionArn"]

    @property
    def revision(self) -> int:
        return self.detail["revision"]

    @property
    def active(self) -> bool:
        return self.detail["status"] == "ACTIVE"

    @property
    def multi_node(self) -> bool:
        return self.detail["type"] == "multinode"

    @property
    def on_eks(self) -> bool:
        """Whether its containers run in pods."""
        return self.detail["containerOrchestrationType"] == "EKS"

    @property
    def for_fargate(self) -> bool:
        return "FARGATE" in self.detail.get("platformCapabilities", [])


@dataclass
class Shelf:
    """All of these in one account and region, by name; definitions by name and then by revision."""

    environments: dict[str, ComputeEnvironment] = field(default_factory=dict)
    queues: dict[str, JobQueue] = field(default_factory=dict)
    definitions: dict[str, list[JobDefinition]] = field(default_factory=dict)
    policies: dict[str, Detail] = field(default_factory=dict)


#: Name, kind and what machines: what is there in every account and region from the start.
_PRESET = (
    ("default", "EC2", ["optimal", "g5", "p4d"]),
    ("spot", "SPOT", ["optimal", "g5", "p4d"]),
    ("fargate", "FARGATE", None),
    ("fargate-spot", "FARGATE_SPOT", None),
)
_PRESET_MAX_VCPUS = 1_000_000


def furnished(arn: Any) -> Shelf:
    """A shelf with a queue of each kind, each on an environment of the same name."""
    shelf = Shelf()
    for name, kind, machines in _PRESET:
        resources: Detail = {
            "type": kind,
            "maxvCpus": _PRESET_MAX_VCPUS,
            "subnets": ["subnet-0local"],
            "securityGroupIds": ["sg-0local"],
        }
        if machines is not None:
            resources |= {"minvCpus": 0, "desiredvCpus": 0, "instanceTypes": machines}
            resources["instanceRole"] = "ecsInstanceRole"
        environment = ComputeEnvironment(
            environment_detail(name, arn=arn("compute-environment", name))
            | {"computeResources": resources, "status": "VALID", "statusReason": "ComputeEnvironment Healthy"}
        )
        shelf.environments[name] = environment
        shelf.queues[name] = JobQueue(
            {
                "jobQueueName": name,
                "jobQueueArn": arn("job-queue", name),
                "state": "ENABLED",
                "status": "VALID",
                "statusReason": "JobQueue Healthy",
                "priority": 1,
                "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": environment.arn}],
                "serviceEnvironmentOrder": [],
                "jobQueueType": "ECS_FARGATE" if environment.on_fargate else "ECS",
                "tags": {},
                "jobStateTimeLimitActions": [],
            },
            [environment],
        )
    return shelf


def environment_detail(name: str, *, arn: str) -> Detail:
    """What every description of a managed compute environment begins with."""
    identity = digest(arn)
    uuid = "-".join((identity[:8], identity[8:12], identity[12:16], identity[16:20], identity[20:]))
    cluster = arn.replace(":batch:", ":ecs:").rpartition(":")[0] + f":cluster/AWSBatch-{name}-{uuid}"
    return {
        "computeEnvironmentName": name,
        "computeEnvironmentArn": arn,
        "ecsClusterArn": cluster,
        "tags": {},
        "type": "MANAGED",
        "state": "ENABLED",
        "status": "CREATING",
        "statusReason": "",
        "containerOrchestrationType": "ECS",
        "uuid": uuid,
    }
