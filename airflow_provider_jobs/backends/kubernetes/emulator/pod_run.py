"""One pod on the node: its containers, what they wait for, whether it is being ended."""

from __future__ import annotations

import asyncio
import itertools

from airflow_provider_jobs.backends.kubernetes.emulator.pod_status import Container, PodView
from airflow_provider_jobs.backends.kubernetes.emulator.settings import HOST_IP
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object
from airflow_provider_jobs.backends.kubernetes.emulator.times import timestamp
from airflow_provider_jobs.emulator.jobs import Job

DIALECT = "kubernetes"
_addresses = itertools.count(2)


def job_name(pod: Object) -> str:
    """The pod's name in the engine, which progress rules match: ``default/train-0-x7k2p``."""
    return f"{pod.namespace}/{pod.name}"


class PodRun:
    """What the node knows of a pod. ``view`` is None until the pod is bound."""

    def __init__(self, pod: Object) -> None:
        self.pod = pod
        self.uid = pod.uid
        self.key = pod.key
        spec = pod["spec"]
        main, init = spec["containers"], spec.get("initContainers", [])
        self.containers = [
            *(Container(number, each) for number, each in enumerate(main)),
            *(Container(len(main) + number, each, init=True) for number, each in enumerate(init)),
        ]
        self.has_init = bool(init)
        self.view: PodView | None = None
        self.job: Job | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.stopping = False
        #: It will be ended for a reason of its machine; nothing is restarted any more.
        self.doomed = False
        #: The engine is forgetting it, and who asked for that is of no interest any more.
        self.removing = False
        self.lost = False
        self._told = asyncio.Event()

    def begin(self, pod: Object) -> None:
        """The pod is bound to the node."""
        self.pod = pod
        number = next(_addresses)
        scheduled = next(each for each in pod["status"]["conditions"] if each["type"] == "PodScheduled")
        self.view = PodView(
            self.containers,
            started_at=timestamp(),
            host_ip=HOST_IP,
            pod_ip=f"10.244.{number // 250 % 250}.{number % 250 + 1}",
            quality=pod["status"]["qosClass"],
            scheduled=scheduled,
            generation=pod.meta.get("generation", 1),
        )

    @property
    def ended(self) -> bool:
        return self.job is not None and self.job.ended

    @property
    def main_over(self) -> bool:
        """No main container runs or will run again."""
        return all(each.gone for each in self.containers if not each.init)

    @property
    def failed_to_initialize(self) -> bool:
        return any(
            each.init and not each.sidecar and each.gone and not each.succeeded for each in self.containers
        )

    def before(self, index: int) -> list[Container]:
        """The init containers that a container has to wait for."""
        init = [each for each in self.containers if each.init]
        own = self.containers[index]
        return [each for each in init if each.index < own.index] if own.init else init

    def tell(self) -> None:
        """Something has changed; whoever waits looks again."""
        self._told.set()
        self._told = asyncio.Event()

    async def news(self) -> None:
        await self._told.wait()

    def close(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
