"""Airflow's own operators for the same services, put under the same faults for comparison.

Each is used as its documentation shows it, deferrable. They keep no record from try to try, so there is
nothing to choose there. Google's two hooks have no setting for an endpoint without TLS: their ``get_conn``
is replaced; all the rest is the providers' own code.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from dataclasses import dataclass
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

from tests.faults.bench import HELD, retry_of, same_again
from tests.faults.faults import Fault
from tests.faults.kill_points import killed, terminated
from tests.faults.lost_answers import DROPPED, ERROR_AFTER_WORK, answer_lost
from tests.faults.subjects import Subject
from tests.faults.task import TASK_ID
from tests.faults.two_processes import at_once

_GOOGLE = {"project_id": "local-project", "region": "europe-west1"}
_AMAZON = {"aws_conn_id": "aws_default", "region_name": "eu-west-1"}
_PARENT = "projects/local-project/locations/europe-west1"


@dataclass(frozen=True, kw_only=True)
class _Official(Subject):
    """An operator of one of Airflow's providers.

    :param provider: its package below ``airflow.providers``
    :param module: of the operator, below that
    """

    provider: str
    module: str

    @property
    def operator(self) -> Any:
        """The operator's class."""
        module = importlib.import_module(f"airflow.providers.{self.provider}.{self.module}")
        return getattr(module, self.name)

    def prepare(self) -> None:
        """Import the operator."""
        assert self.operator

    def roots(self) -> tuple[Path, ...]:
        """Return the provider's package."""
        (directory,) = importlib.import_module(f"airflow.providers.{self.provider}").__path__
        return (Path(directory),)


class _GcpBatch(_Official):
    def prepare(self) -> None:
        """Import the operator, and lead its hook to the local cloud."""
        super().prepare()
        from airflow.providers.google.cloud.hooks.cloud_batch import CloudBatchHook

        CloudBatchHook.get_conn = partialmethod(  # type: ignore[assignment]
            _google_client, "batch_v1", "BatchServiceClient"
        )

    def make(self, run: str, job: str) -> Any:
        """Return the operator."""
        runnable = {"container": {"image_uri": "busybox", "commands": ["true"]}}
        groups = [{"task_count": 1, "task_spec": {"runnables": [runnable]}}]
        return self.operator(
            task_id=TASK_ID, job_name=job, job={"task_groups": groups}, deferrable=True, **_GOOGLE
        )

    def waits_for(self, operator: Any, trigger: Any) -> str:
        """Return the job's full name."""
        return str(trigger.job_name)


class _CloudRun(_Official):
    def prepare(self) -> None:
        """Import the operator, and lead its hook to the local cloud."""
        super().prepare()
        from airflow.providers.google.cloud.hooks.cloud_run import CloudRunHook

        CloudRunHook.get_conn = partialmethod(  # type: ignore[assignment]
            _google_client, "run_v2", "JobsClient"
        )

    def make(self, run: str, job: str) -> Any:
        """Deploy the job that is executed, as whoever uses this operator has done, and return it."""
        from google.api_core.exceptions import AlreadyExists

        container = {"image": "busybox", "command": ["true"]}
        deployed = {"template": {"template": {"containers": [container]}}}
        client = _google_client(None, "run_v2", "JobsClient")
        with contextlib.suppress(AlreadyExists):
            client.create_job({"parent": _PARENT, "job_id": job, "job": deployed}).result()
        return self.operator(task_id=TASK_ID, job_name=job, deferrable=True, **_GOOGLE)

    def waits_for(self, operator: Any, trigger: Any) -> str:
        """Return the execution of the operation."""
        return str(operator.operation.metadata.name)


class _AwsBatch(_Official):
    def prepare(self) -> None:
        """Import the operator, and let its hook not pause by chance before it describes a job."""
        super().prepare()
        from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook

        BatchClientHook.DEFAULT_DELAY_MIN = BatchClientHook.DEFAULT_DELAY_MAX = 0

    def make(self, run: str, job: str) -> Any:
        """Register the job definition that is used, as whoever uses this operator has done, and return it."""
        made = self.operator(
            task_id=TASK_ID, job_name=job, job_queue="default", job_definition=job, deferrable=True, **_AMAZON
        )
        resources = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
        made.hook.client.register_job_definition(
            jobDefinitionName=job,
            type="container",
            containerProperties={
                "image": "busybox",
                "command": ["true"],
                "resourceRequirements": resources,
            },
        )
        return made

    def waits_for(self, operator: Any, trigger: Any) -> str:
        """Return the job's id."""
        return str(operator.job_id)


class _AzureBatch(_Official):
    def make(self, run: str, job: str) -> Any:
        """Return the operator."""
        return self.operator(
            task_id=TASK_ID,
            # Of a name that is not held, as the run is: the pool's nodes would not come.
            batch_pool_id=job.replace(HELD, "pool"),
            batch_job_id=job,
            batch_task_id="only",
            batch_task_command_line="/bin/true",
            batch_pool_vm_size="standard_d2_v3",
            vm_node_agent_sku_id="batch.node.ubuntu 22.04",
            vm_publisher="canonical",
            vm_offer="0001-com-ubuntu-server-jammy",
            vm_sku="22_04-lts",
            target_dedicated_nodes=1,
            deferrable=True,
        )

    def waits_for(self, operator: Any, trigger: Any) -> str:
        """Return the job's id."""
        return str(trigger.job_id)


class _Kubernetes(_Official):
    def make(self, run: str, job: str) -> Any:
        """Return the operator."""
        return self.operator(
            task_id=TASK_ID,
            name=job,
            namespace="default",
            image="busybox",
            cmds=["true"],
            parallelism=1,
            wait_until_job_complete=True,
            deferrable=True,
        )

    def waits_for(self, operator: Any, trigger: Any) -> str:
        """Return namespace and name."""
        return f"{trigger.job_namespace}/{trigger.job_name}"


def _google_client(_hook: Any, package: str, name: str, *_: Any, **__: Any) -> Any:
    """Return a client of Google's for the local cloud, without TLS; in the place of a hook's ``get_conn``."""
    import grpc

    kind = getattr(importlib.import_module(f"google.cloud.{package}"), name)
    channel = grpc.insecure_channel(os.environ["LOCAL_CLOUD"])
    return kind(transport=kind.get_transport_class("grpc")(channel=channel))


OFFICIAL: dict[str, Subject] = {
    subject.name: subject
    for subject in (
        _GcpBatch(
            name="CloudBatchSubmitJobOperator",
            dialect="gcp_batch",
            calls="google.cloud.batch.*",
            provider="google",
            module="cloud.operators.cloud_batch",
        ),
        _CloudRun(
            name="CloudRunExecuteJobOperator",
            dialect="cloud_run",
            calls="*/RunJob",
            provider="google",
            module="cloud.operators.cloud_run",
        ),
        _AwsBatch(
            name="BatchOperator",
            dialect="aws_batch",
            calls="Batch/[SD]*",
            provider="amazon",
            module="aws.operators.batch",
        ),
        _AzureBatch(
            name="AzureBatchOperator",
            dialect="azure_batch",
            calls="AzureBatch/*",
            # Before it adds its task it waits until all nodes are idle, which a held job prevents.
            ends_before_a_retry=True,
            provider="microsoft.azure",
            module="operators.batch",
        ),
        _Kubernetes(
            name="KubernetesJobOperator",
            dialect="kubernetes",
            calls="kubernetes/*",
            provider="cncf.kubernetes",
            module="operators.job",
        ),
    )
}

OFFICIAL_FAULTS = [
    Fault("worker killed at a point, then retried", partial(killed, then=retry_of, record=False, sparser=1)),
    Fault(
        "worker killed at a point, same try again", partial(killed, then=same_again, record=False, sparser=1)
    ),
    Fault("two processes run a try at once", partial(at_once, record=False)),
    Fault("an answer lost", partial(answer_lost, rule=DROPPED, record=False)),
    Fault("a 500 after the work was done", partial(answer_lost, rule=ERROR_AFTER_WORK, record=False)),
    Fault("SIGTERM at a point", partial(terminated, sparser=1)),
]
