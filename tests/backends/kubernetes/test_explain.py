"""Why a Job waits, in words that a person can act on."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.backends.kubernetes import explain as module
from airflow_provider_jobs.backends.kubernetes.explain import explain, is_waiting
from airflow_provider_jobs.core.explanations import is_same_reason
from tests.backends.kubernetes.api import condition, container, event, job, pod

WAITS = job(active=1, ready=0)
# Why a container waits, and what must be said of it.
ADVICE = [
    ("ErrImagePull", "image_pull_secrets"),
    ("InvalidImageName", "image's name"),
    ("ErrImageNeverPull", "image_pull_policy"),
    ("ImageInspectError", "the nodes"),
    ("RegistryUnavailable", "registry"),
    ("SignatureValidationFailed", "signed"),
    ("CreateContainerConfigError", "Secret, ConfigMap"),
    ("CreateContainerError", "command"),
    ("RunContainerError", "command"),
    ("PreStartHookError", "command"),
    ("PreCreateHookError", "command"),
    ("PostStartHookError", "command"),
    ("CrashLoopBackOff", "read its log"),
]


def unschedulable(message: str, reason: str = "Unschedulable") -> dict[str, Any]:
    """Return a pod that has no node."""
    told = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    waiting = pod(0, container(waiting={}), phase="Pending", conditions=[told])
    waiting["status"]["containerStatuses"] = []
    return waiting


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """Return a pod that has a node and whose container waits."""
    return pod(0, container(waiting={"reason": reason, "message": message}), phase="Pending")


class TestContainers:
    @pytest.mark.parametrize(("reason", "words"), [*ADVICE, ("SomethingNew", "kubectl describe pod")])
    def test_what_a_container_waits_for_is_told_with_what_to_do(self, reason: str, words: str) -> None:
        told = explain(WAITS, [waiting(reason, "the node's own words")], [])
        assert told is not None
        assert told.startswith(f"Container 'main' waits: {reason} (image main:1). ")
        assert words in told
        assert told.endswith("The service says: the node's own words")

    def test_the_table_has_no_row_that_is_not_tried(self) -> None:
        assert set(module.WAITING) - {reason for reason, _ in ADVICE} == {
            "ContainerCreating",
            "ImagePullBackOff",
            "PodInitializing",
        }

    def test_a_pull_that_fails_and_the_pause_after_it_are_one_reason(self) -> None:
        failed = explain(WAITS, [waiting("ErrImagePull", "no such host")], [])
        paused = explain(WAITS, [waiting("ImagePullBackOff", "Back-off pulling image")], [])
        assert is_same_reason(failed, paused)
        assert paused is not None
        assert paused.endswith("The service says: Back-off pulling image")

    @pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
    def test_a_container_that_is_on_its_way_is_not_explained(self, reason: str) -> None:
        assert explain(WAITS, [waiting(reason)], []) is None

    def test_it_says_how_many_pods_wait_so(self) -> None:
        pods = [waiting("ErrImagePull"), waiting("ErrImagePull"), waiting("ContainerCreating")]
        told = explain(WAITS, pods, [])
        assert told is not None
        assert told.startswith("2 of 3 pods wait. Container 'main' waits")


class TestScheduling:
    @pytest.mark.parametrize(
        ("message", "words"),
        [
            ("0/3 nodes are available: 3 Insufficient cpu.", "less cpu and memory"),
            ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", "accelerator"),
            ("0/3 nodes are available: 3 Too many pods.", "wait for other pods"),
            (
                "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
                "node_selector",
            ),
            ("0/3 nodes are available: 3 node(s) had untolerated taint {gpu: yes}.", "tolerations"),
            ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "describe pvc"),
            ('0/3 nodes are available: persistentvolumeclaim "data" not found.', "PersistentVolumeClaim"),
            ("0/3 nodes are available: 3 node(s) had volume node affinity conflict.", "another zone"),
            ("no nodes available to schedule pods", "let the cluster grow"),
        ],
    )
    def test_why_no_node_takes_a_pod_is_told_with_what_to_do(self, message: str, words: str) -> None:
        told = explain(WAITS, [unschedulable(message)], [])
        assert told is not None
        assert told.startswith(f"No node takes the pod: {message.removesuffix('.')}. ")
        assert words in told

    def test_what_comes_to_its_help_is_told_beside(self) -> None:
        pods = [unschedulable("0/3 nodes are available: 3 Insufficient cpu.")]
        told = explain(WAITS, pods, [event("TriggeredScaleUp", "1->2")])
        assert told is not None
        assert told.endswith("The cluster is growing for it; new nodes take some minutes")

    def test_fewer_nodes_that_lack_the_same_are_no_other_reason_and_another_lack_is(self) -> None:
        lacks = "0/{0} nodes are available: {0} Insufficient {1}."
        three, two, memory = (
            explain(WAITS, [unschedulable(lacks.format(*values))], [])
            for values in ((3, "cpu"), (2, "cpu"), (2, "memory"))
        )
        assert is_same_reason(three, two)
        assert not is_same_reason(two, memory)

    def test_a_gate_is_told(self) -> None:
        told = explain(WAITS, [unschedulable("Scheduling is blocked", "SchedulingGated")], [])
        assert told is not None
        assert "scheduling gate" in told


class TestEvents:
    @pytest.mark.parametrize(
        ("message", "words"),
        [
            (
                'Error creating: pods "x" is forbidden: exceeded quota: few, requested: pods=1',
                "ResourceQuota",
            ),
            ("Error creating: failed quota: few: must specify limits.cpu", "give cpu and memory"),
            (
                'Error creating: pods "x" is forbidden: error looking up service account ml/trainer',
                "service_account",
            ),
            ('Error creating: pods "x" is forbidden: violates PodSecurity "restricted"', "security_context"),
            ("Error creating: no PriorityClass with name high was found", "priority_class"),
            ("Error creating: maximum cpu usage per Container is 1, but limit is 2", "LimitRange"),
            ('Error creating: admission webhook "p" denied the request: no', "policy of the cluster"),
        ],
    )
    def test_why_no_pod_could_be_made_is_told_with_what_to_do(self, message: str, words: str) -> None:
        told = explain(job(), [], [event("FailedCreate", message)])
        assert told is not None
        assert told.startswith("The service cannot make its pods. ")
        assert words in told
        assert message in told

    def test_another_reason_why_no_pod_could_be_made_is_told_without_the_name_that_it_would_have_had(
        self,
    ) -> None:
        told = explain(job(), [], [event("FailedCreate", 'Error creating: pods "d-t-x2z9q" is odd')])
        assert (
            told == "The service cannot make its pods: Error creating: pods is odd. See kubectl describe job"
        )

    def test_the_name_of_a_pod_that_could_not_be_made_makes_no_other_reason(self) -> None:
        one, other = (
            explain(
                job(), [], [event("FailedCreate", f'pods "d-t-{name}" is forbidden: exceeded quota: few')]
            )
            for name in ("bcdfg", "x2z9q")
        )
        assert one != other
        assert is_same_reason(one, other)

    def test_once_there_are_pods_an_earlier_failure_to_make_one_is_over(self) -> None:
        assert (
            explain(WAITS, [waiting("ContainerCreating")], [event("FailedCreate", "exceeded quota")]) is None
        )

    @pytest.mark.parametrize("reason", module._POD_EVENTS)
    def test_an_event_of_a_pod_that_has_its_node_is_told(self, reason: str) -> None:
        told = explain(WAITS, [waiting("ContainerCreating")], [event(reason, "MountVolume.SetUp failed")])
        assert told is not None
        assert told.startswith(f"The pod waits: {reason}. ")

    def test_the_latest_event_counts_and_unknown_ones_do_not(self) -> None:
        events = [
            event("TriggeredScaleUp", "1->2", at="2030-01-01T00:01:00Z"),
            event("NotTriggerScaleUp", "no", at="2030-01-01T00:02:00Z"),
            event("Pulled", "done", at="2030-01-01T00:03:00Z"),
        ]
        told = explain(WAITS, [], events)
        assert told is not None
        assert "NotTriggerScaleUp" in told

    def test_a_service_that_says_nothing_is_not_guessed_at(self) -> None:
        assert explain(WAITS, [], []) is None


class TestSuspended:
    def test_a_suspended_job_is_told_with_its_queue(self) -> None:
        held = job(condition("Suspended"))
        held["spec"]["suspend"] = True
        told = explain(held, [], [])
        assert told is not None
        assert "suspended" in told
        held["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "team"}
        told = explain(held, [], [])
        assert told is not None
        assert "'team' of Kueue" in told


@pytest.mark.parametrize(
    ("told", "waits"),
    [
        (job(), True),
        (WAITS, True),
        (job(condition("Suspended")), True),
        (job(active=1, ready=1), False),
        (job(condition("Complete")), False),
        (job(condition("Failed")), False),
    ],
)
def test_only_a_job_that_waits_is_explained(told: dict[str, Any], waits: bool) -> None:
    assert is_waiting(told) is waits
