"""What keeps a job from running, in the sentences of Batch's status events.

It exists so that a rule of the admin API can name a reason and a job tells of it as on the service. Facts:
https://docs.cloud.google.com/batch/docs/troubleshooting; the form of errors of machines as in
https://github.com/DataBiosphere/dsub/issues/303. It must not hold state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from airflow_provider_jobs.emulator.progress import Stage


class Scene(NamedTuple):
    """The job that a sentence is about: its uid, its project by name and number, its region and one zone."""

    uid: str
    project: str
    number: str
    region: str
    zone: str

    @property
    def machine(self) -> str:
        return f"{self.uid}-group0-0-5pdz"


_Sentence = Callable[[Scene], str]


def _quota_wait(scene: Scene) -> str:
    return (
        f"Quota checking process decides to delay scheduling for the job {scene.uid} due to inadequate "
        "quotas [Quota: CPUS, limit: 24, usage: 24, wanted: 4.]."
    )


def _machine_error(code: str, told: str, scene: Scene) -> str:
    return (
        f"VM in Managed Instance Group meets error: Batch Error: code - {code}, description - error count is "
        f"4, latest message example: Instance '{scene.machine}' creation failed: {told}"
    )


def _quota_exceeded(scene: Scene) -> str:
    told = f"Quota 'N2_CPUS' exceeded.  Limit: 24.0 in region {scene.region}."
    return _machine_error("CODE_GCE_QUOTA_EXCEEDED", told, scene)


def _zone_exhausted(scene: Scene) -> str:
    told = (
        f"The zone 'projects/{scene.project}/zones/{scene.zone}' does not have enough resources available to "
        "fulfill the request.  '(resource type:compute)'."
    )
    return _machine_error("CODE_GCE_ZONE_RESOURCE_POOL_EXHAUSTED", told, scene)


def _no_agent(scene: Scene) -> str:
    return (
        "No VM has agent reporting correctly within time window 1080 seconds, VM state for instance "
        f"{scene.machine} is 2030-01-01T00:00:00.000000000Z,agent,start"
    )


def _external_ip(scene: Scene) -> str:
    return (
        f"Instance {scene.machine} creation failed: Constraint constraints/compute.vmExternalIpAccess "
        f"violated for project {scene.number}. Add instance {scene.machine} to the constraint to use "
        "external IP with it."
    )


def _service_account(scene: Scene) -> str:
    account = f"{scene.number}-compute@developer.gserviceaccount.com"
    return f"caller does not have access to act as the specified service account: {account}"


_OF_MACHINES: Mapping[str, _Sentence] = {
    "quota_exceeded": _quota_exceeded,
    "zone_exhausted": _zone_exhausted,
    "no_agent": _no_agent,
    "external_ip": _external_ip,
    "service_account": _service_account,
}
_SENTENCES: Mapping[str, _Sentence] = {"quota": _quota_wait, **_OF_MACHINES}

#: Which reasons a rule may give, by the step that they keep a job from.
WORDS: Mapping[Stage, tuple[str, ...]] = {
    Stage.SCHEDULED: tuple(_SENTENCES),
    Stage.ASSIGNED: tuple(_OF_MACHINES),
    Stage.RUNNING: tuple(_OF_MACHINES),
}


def sentence(word: str, scene: Scene) -> str:
    """The description of the status event."""
    return _SENTENCES[word](scene)
