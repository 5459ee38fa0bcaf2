"""HTTP in and out: which requests are for this service, and how errors leave it.

It exists to put the pieces together and to pass every call through the counters and the fault rules. Paths
of other services are declined.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError

from airflow_provider_jobs.backends.kubernetes.emulator import answers, discovery, requests, statuses
from airflow_provider_jobs.backends.kubernetes.emulator.api import Api
from airflow_provider_jobs.backends.kubernetes.emulator.cluster import Cluster
from airflow_provider_jobs.backends.kubernetes.emulator.disruptions import EVICTION
from airflow_provider_jobs.backends.kubernetes.emulator.events import Recorder
from airflow_provider_jobs.backends.kubernetes.emulator.garbage import GarbageCollector
from airflow_provider_jobs.backends.kubernetes.emulator.job_controller import JobController
from airflow_provider_jobs.backends.kubernetes.emulator.kubelet import Kubelet
from airflow_provider_jobs.backends.kubernetes.emulator.objects import Objects
from airflow_provider_jobs.backends.kubernetes.emulator.openapi import Documents
from airflow_provider_jobs.backends.kubernetes.emulator.podlogs import PodLogs
from airflow_provider_jobs.backends.kubernetes.emulator.requests import Call
from airflow_provider_jobs.backends.kubernetes.emulator.reviews import Reviews
from airflow_provider_jobs.backends.kubernetes.emulator.scheduler import Scheduler
from airflow_provider_jobs.backends.kubernetes.emulator.schemas import Schemas
from airflow_provider_jobs.backends.kubernetes.emulator.settings import ClusterSettings
from airflow_provider_jobs.backends.kubernetes.emulator.store import Store
from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.emulator.cloud import Cloud

#: Below ``/apis`` other services keep APIs of the same form (Cloud Run v1); these are not ours.
_OURS = re.compile(
    r"/(?:api|apis|openapi)(?:/(?![^/]*googleapis\.com).*)?|/(?:version|healthz|livez|readyz)/?"
)
_ADMIN = "/_admin/kubernetes/"


class Transport:
    """The handler of the HTTP port."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._settings = ClusterSettings()
        self._store = Store()
        schemas = Schemas()
        objects = Objects(self._store)
        recorder = Recorder(self._store)
        kubelet = Kubelet(cloud, objects, recorder=recorder, settings=self._settings)
        self._cluster = Cluster(cloud, objects, recorder)
        self._forgetful = (
            self._cluster,
            recorder,
            kubelet,
            Scheduler(cloud, objects, recorder=recorder, kubelet=kubelet),
            JobController(cloud, objects, recorder=recorder, settings=self._settings),
            GarbageCollector(cloud, objects),
        )
        self._documents = Documents(schemas)
        self._api = Api(
            objects,
            schemas=schemas,
            logs=PodLogs(objects, cloud.logs),
            reviews=Reviews(cloud.calls.faults),
            evict=lambda pod: kubelet.disrupt(pod, EVICTION),
        )
        cloud.on_reset(self._forget)

    def _forget(self) -> None:
        for each in self._forgetful:
            each.clear()
        self._set(ClusterSettings())
        self._store.clear()
        self._cluster.furnish()

    async def __call__(self, request: Request) -> Response | None:
        path = request.url.path
        if path.startswith(_ADMIN):
            return await self._administer(request, path.removeprefix(_ADMIN))
        if _OURS.fullmatch(path) is None:
            return None
        call = requests.read(request)
        if call is not None:
            return await self._answer(call, request)
        found = discovery.answer(request) or await self._documents.answer(request)
        return found or answers.failure(statuses.page_not_found())

    async def _answer(self, call: Call, request: Request) -> Response:
        try:
            return await self._cloud.calls.serve(call.method, lambda: self._api.answer(call, request))
        except statuses.ApiError as error:
            return answers.failure(error)
        except StatusError as error:
            told = statuses.injected(error, forbidden_because=call.denied(), kind=call.kind, name=call.name)
            return answers.failure(told)

    async def _administer(self, request: Request, what: str) -> Response | None:
        """What no client of a cluster can do: forget the past, change settings, hand out a kubeconfig."""
        if (request.method, what) == ("POST", "compact"):
            self._store.compact()
            return answers.plain({"resourceVersion": str(self._store.version)})
        if (request.method, what) == ("GET", "kubeconfig"):
            return answers.plain(kubeconfig(f"http://{request.url.netloc}"))
        if what != "settings":
            return None
        if request.method == "PUT":
            try:
                self._set(ClusterSettings.model_validate(await request.json()))
            except (ValidationError, ValueError) as error:
                return answers.plain({"detail": str(error)}, status=422)
        return answers.plain(self._settings.model_dump())

    def _set(self, wanted: ClusterSettings) -> None:
        for name, value in wanted:
            setattr(self._settings, name, value)


def kubeconfig(url: str) -> dict[str, Any]:
    """A kubeconfig that points here. YAML readers read JSON, so it is one as it stands."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": {"server": url}}],
        "users": [{"name": "local", "user": {"token": "local"}}],
        "contexts": [
            {"name": "local", "context": {"cluster": "local", "user": "local", "namespace": "default"}}
        ],
        "current-context": "local",
    }
