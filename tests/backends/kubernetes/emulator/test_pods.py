"""Pods: what their status tells from the first to the last moment."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.kubernetes.emulator.conftest import Kube, conditions, container, job, pod, until

GATE = "while [ ! -e {gate} ]; do sleep 0.05; done"


def statuses(found: dict) -> dict[str, dict]:
    status = found["status"]
    every = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
    return {each["name"]: each for each in every}


def waiting(found: dict, name: str = "main") -> dict:
    return statuses(found).get(name, {}).get("state", {}).get("waiting", {})


def ended(found: dict, name: str = "main") -> dict:
    return statuses(found)[name]["state"]["terminated"]


class TestLife:
    def test_a_new_pod_is_pending_and_has_what_every_pod_has(self, kube: Kube):
        made = kube.create_pod(pod())
        spec = made["spec"]
        assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
        assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
        assert spec["enableServiceLinks"] is True
        assert {each["key"] for each in spec["tolerations"]} == {
            "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
        }  # fmt: skip
        [mount] = spec["containers"][0]["volumeMounts"]
        assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
        assert [volume["name"] for volume in spec["volumes"]] == [mount["name"]]

    def test_a_running_pod_is_ready_and_has_an_address(self, kube: Kube):
        kube.create_pod(pod("sleep 60"))
        found = kube.until_pod(lambda found: found["status"]["phase"] == "Running")
        assert all(each["status"] == "True" for each in conditions(found).values())
        assert {*conditions(found)} == {
            "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"
        }  # fmt: skip
        main = statuses(found)["main"]
        assert main["ready"] is main["started"] is True
        assert main["containerID"].startswith("containerd://")
        assert found["status"]["podIPs"] == [{"ip": found["status"]["podIP"]}]
        assert found["spec"]["nodeName"] == "k8s-node-1"

    def test_a_success_is_completed(self, kube: Kube):
        found = kube.run_pod(pod("exit 0"))
        assert found["status"]["phase"] == "Succeeded"
        assert (ended(found)["exitCode"], ended(found)["reason"]) == (0, "Completed")
        assert ended(found)["startedAt"] <= ended(found)["finishedAt"]
        assert conditions(found)["Ready"]["reason"] == "PodCompleted"
        assert statuses(found)["main"]["ready"] is False

    @pytest.mark.parametrize(
        ("script", "code"), [("exit 3", 3), ("kill -9 $$$$", 137), ("kill -TERM $$$$", 143)]
    )
    def test_a_failure_tells_its_exit_code(self, kube: Kube, script: str, code: int):
        found = kube.run_pod(pod(script))
        assert found["status"]["phase"] == "Failed"
        assert (ended(found)["exitCode"], ended(found)["reason"]) == (code, "Error")

    def test_a_program_that_is_not_there_is_a_start_error(self, kube: Kube):
        found = kube.run_pod(pod(containers=[container(command=["nosuchprogram"])]))
        assert (ended(found)["exitCode"], ended(found)["reason"]) == (128, "StartError")
        assert 'exec: "nosuchprogram": executable file not found in $PATH' in ended(found)["message"]
        assert ended(found)["startedAt"] == "1970-01-01T00:00:00Z"
        assert kube.log("pod") == ""

    def test_a_container_can_run_out_of_memory(self, cloud: LocalCloud, kube: Kube):
        kube.create_pod(pod("sleep 60"))
        found = kube.until_pod(lambda found: found["status"]["phase"] == "Running")
        cloud.admin.interrupt(found["metadata"]["uid"], 0, reason="out_of_memory")
        found = kube.until_pod(lambda found: found["status"]["phase"] == "Failed")
        assert (ended(found)["exitCode"], ended(found)["reason"]) == (137, "OOMKilled")

    def test_the_end_of_the_log_can_be_the_message(self, kube: Kube):
        policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
        found = kube.run_pod(pod(containers=[container("echo first; echo last; exit 1", **policy)]))
        assert ended(found)["message"] == "first\nlast\n"

    def test_a_container_without_a_command_does_nothing_and_succeeds(self, kube: Kube):
        found = kube.run_pod(pod(containers=[{"name": "main", "image": "hello-world"}]))
        assert found["status"]["phase"] == "Succeeded"
        assert found["spec"]["containers"][0]["imagePullPolicy"] == "Always"

    @pytest.mark.parametrize(
        ("resources", "quality"),
        [
            ({}, "BestEffort"),
            ({"requests": {"cpu": "1"}}, "Burstable"),
            ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ],
    )
    def test_the_class_of_service_follows_from_the_resources(self, kube: Kube, resources: dict, quality: str):
        made = kube.create_pod(pod(containers=[container(resources=resources)]))
        assert made["status"]["qosClass"] == quality


class TestSeveralContainers:
    def test_they_run_at_the_same_time_and_end_on_their_own(self, kube: Kube, tmp_path):
        gate = tmp_path / "gate"
        first = container(GATE.format(gate=gate), name="first")
        second = container(f"touch {gate}; exit 4", name="second")
        found = kube.run_pod(pod(containers=[first, second]))
        assert found["status"]["phase"] == "Failed"
        assert (ended(found, "first")["exitCode"], ended(found, "second")["exitCode"]) == (0, 4)

    def test_init_containers_run_one_after_another_before_the_others(self, kube: Kube, tmp_path):
        marker = tmp_path / "marker"
        init = [
            container(f"sleep 0.1; touch {marker}", name="one"),
            container(f"test -e {marker}", name="two"),
        ]
        found = kube.run_pod(pod(f"test -e {marker}", initContainers=init))
        assert found["status"]["phase"] == "Succeeded"
        assert [each["name"] for each in found["status"]["initContainerStatuses"]] == ["one", "two"]

    def test_nothing_runs_after_an_init_container_that_failed(self, kube: Kube):
        found = kube.run_pod(pod("true", initContainers=[container("exit 5", name="init")]))
        assert found["status"]["phase"] == "Failed"
        assert ended(found, "init")["exitCode"] == 5
        assert waiting(found) == {"reason": "PodInitializing"}
        assert conditions(found)["Initialized"]["status"] == "False"

    def test_a_sidecar_runs_beside_and_is_ended_after_the_others(self, kube: Kube, tmp_path):
        marker = tmp_path / "marker"
        sidecar = container(f"touch {marker}; sleep 60", name="side", restartPolicy="Always")
        found = kube.run_pod(pod(GATE.format(gate=marker), initContainers=[sidecar]))
        assert found["status"]["phase"] == "Succeeded"
        assert ended(found, "side")["exitCode"] == 143

    def test_more_sidecars_than_places_for_processes_starve_nobody(self, kube: Kube):
        sidecar = container("sleep 60", name="side", restartPolicy="Always")
        wanted = job(template={"initContainers": [sidecar]}, completions=40, parallelism=40)
        assert "Complete" in conditions(kube.run(wanted))

    def test_containers_restart_in_place(self, kube: Kube, tmp_path):
        marker = tmp_path / "marker"
        script = f"echo run >> {marker}; [ $(wc -l < {marker}) = 3 ] || exit 1"
        found = kube.run_pod(pod(script, restartPolicy="OnFailure"))
        assert found["status"]["phase"] == "Succeeded"
        main = statuses(found)["main"]
        assert main["restartCount"] == 2
        assert main["lastState"]["terminated"]["exitCode"] == 1

    def test_between_two_restarts_a_container_waits(self, cloud: LocalCloud, kube: Kube):
        cloud.admin.call("PUT", "/kubernetes/settings", {"backoff_scale": 1.0})
        kube.create_pod(pod("exit 1", restartPolicy="OnFailure"))
        found = kube.until_pod(lambda found: waiting(found).get("reason") == "CrashLoopBackOff")
        assert waiting(found)["message"].startswith(
            "back-off 10s restarting failed container=main pod=pod_default("
        )
        assert statuses(found)["main"]["restartCount"] == 1
        assert found["status"]["phase"] == "Running"


class TestWaiting:
    def test_no_node_matches_a_selector(self, kube: Kube):
        kube.create_pod(pod(nodeSelector={"disk": "ssd"}))
        scheduled = conditions(kube.until_pod(conditions))["PodScheduled"]
        assert (scheduled["status"], scheduled["reason"]) == ("False", "Unschedulable")
        assert scheduled["message"].startswith(
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity"
        )
        assert ("FailedScheduling", scheduled["message"]) in kube.events("pod")
        assert kube.pod("pod")["status"]["phase"] == "Pending"

    def test_a_selector_of_the_node_s_name_matches(self, kube: Kube):
        found = kube.run_pod(pod(nodeSelector={"kubernetes.io/hostname": "k8s-node-1"}))
        assert found["status"]["phase"] == "Succeeded"

    @pytest.mark.parametrize(
        ("name", "quantity"),
        [("cpu", "1000"), ("memory", "10Ti"), ("nvidia.com/gpu", "9"), ("example.com/tpu", "1")],
    )
    def test_no_node_is_large_enough(self, kube: Kube, name: str, quantity: str):
        kube.create_pod(pod(containers=[container(resources={"limits": {name: quantity}})]))
        scheduled = conditions(kube.until_pod(conditions))["PodScheduled"]
        assert f"1 Insufficient {name}" in scheduled["message"]

    def test_a_claim_that_comes_late_lets_the_pod_go(self, kube: Kube):
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        kube.create_pod(pod(volumes=volumes))
        scheduled = conditions(kube.until_pod(conditions))["PodScheduled"]
        assert 'persistentvolumeclaim "data" not found' in scheduled["message"]
        claim = {
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
        kube.call("POST", "/api/v1/namespaces/default/persistentvolumeclaims", claim)
        kube.until_pod(lambda found: found["status"]["phase"] == "Succeeded")

    def test_an_invalid_image_is_never_pulled(self, kube: Kube):
        kube.create_pod(pod(containers=[container(image="Not An Image")]))
        found = kube.until_pod(lambda found: waiting(found).get("reason") == "InvalidImageName")
        assert "invalid reference format" in waiting(found)["message"]
        assert found["status"]["phase"] == "Pending"

    def test_a_missing_image_is_asked_for_again_and_again(self, kube: Kube):
        kube.create_pod(pod(containers=[container(image="missing.invalid/team/app:3")]))
        found = kube.until_pod(lambda found: waiting(found).get("reason") == "ImagePullBackOff")
        assert waiting(found)["message"].startswith(
            'Back-off pulling image "missing.invalid/team/app:3": ErrImagePull'
        )
        reasons = [reason for reason, _ in kube.events("pod")]
        assert {"Pulling", "Failed", "BackOff"} <= {*reasons}

    @pytest.mark.parametrize(
        ("variable", "message"),
        [
            ({"configMapKeyRef": {"name": "cm", "key": "k"}}, 'configmap "cm" not found'),
            ({"secretKeyRef": {"name": "s", "key": "k"}}, 'secret "s" not found'),
        ],
    )
    def test_a_variable_from_something_missing_holds_the_container(
        self, kube: Kube, variable: dict, message: str
    ):
        kube.create_pod(pod(containers=[container(env=[{"name": "X", "valueFrom": variable}])]))
        found = kube.until_pod(lambda found: waiting(found).get("reason") == "CreateContainerConfigError")
        assert waiting(found)["message"] == message
        assert ("Failed", f"Error: {message}") in kube.events("pod")

    def test_it_runs_as_soon_as_the_missing_thing_is_there(self, kube: Kube):
        source = [{"configMapRef": {"name": "late"}}]
        kube.create_pod(pod("echo $COLOUR", containers=[container("echo $COLOUR", envFrom=source)]))
        kube.until_pod(lambda found: waiting(found).get("reason") == "CreateContainerConfigError")
        body = {"metadata": {"name": "late"}, "data": {"COLOUR": "green"}}
        kube.call("POST", "/api/v1/namespaces/default/configmaps", body)
        kube.until_pod(lambda found: found["status"]["phase"] == "Succeeded")
        assert kube.log("pod") == "green\n"

    def test_a_volume_from_something_missing_holds_the_container(self, kube: Kube):
        kube.create_pod(pod(volumes=[{"name": "v", "secret": {"secretName": "absent"}}]))
        told = 'MountVolume.SetUp failed for volume "v" : secret "absent" not found'
        until(lambda: kube.events("pod"), lambda found: ("FailedMount", told) in found)
        assert waiting(kube.pod("pod")) == {"reason": "ContainerCreating"}

    def test_a_gate_holds_a_pod_until_it_is_removed(self, kube: Kube):
        kube.create_pod(pod(schedulingGates=[{"name": "example.com/wait"}]))
        scheduled = conditions(kube.until_pod(conditions))["PodScheduled"]
        assert (scheduled["status"], scheduled["reason"]) == ("False", "SchedulingGated")
        patch = [{"op": "remove", "path": "/spec/schedulingGates"}]
        kube.call(
            "PATCH", "/api/v1/namespaces/default/pods/pod", patch, content_type="application/json-patch+json"
        )
        kube.until_pod(lambda found: found["status"]["phase"] == "Succeeded")

    def test_a_pod_can_be_held_before_it_is_scheduled(self, cloud: LocalCloud, kube: Kube):
        cloud.admin.hold("scheduled", job="default/held*")
        kube.create_pod(pod(name="held"))
        kube.run_pod(pod(name="free"))
        assert kube.pod("held")["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
        cloud.admin.release()
        kube.until_pod(lambda found: found["status"]["phase"] == "Succeeded", "held")


class TestEnding:
    def test_a_deleted_pod_ends_with_grace_and_is_gone(self, kube: Kube):
        kube.create_pod(pod("trap 'sleep 0.1; exit 0' TERM; sleep 60 & wait"))
        kube.until_pod(lambda found: found["status"]["phase"] == "Running")
        answer = kube.call("DELETE", "/api/v1/namespaces/default/pods/pod")
        assert answer["kind"] == "Pod"
        assert answer["metadata"]["deletionGracePeriodSeconds"] == 30
        until(kube.pods, lambda found: not found)
        assert ("Killing", "Stopping container main") in kube.events("pod")

    def test_a_pod_without_grace_is_gone_at_once(self, kube: Kube):
        kube.create_pod(pod("sleep 60"))
        kube.until_pod(lambda found: found["status"]["phase"] == "Running")
        kube.call("DELETE", "/api/v1/namespaces/default/pods/pod", {"gracePeriodSeconds": 0})
        assert kube.pods() == []

    @pytest.mark.parametrize(
        ("reason", "condition"),
        [
            ("preempted", "PreemptionByScheduler"),
            ("lost", "DeletionByPodGC"),
            ("unresponsive", "DeletionByTaintManager"),
        ],
    )
    def test_a_pod_that_others_take_away_says_so_before_it_goes(
        self, cloud: LocalCloud, kube: Kube, reason: str, condition: str
    ):
        finalizer = pod("sleep 60")
        finalizer["metadata"]["finalizers"] = ["example.com/keep"]
        kube.create_pod(finalizer)
        found = kube.until_pod(lambda found: found["status"]["phase"] == "Running")
        cloud.admin.interrupt(found["metadata"]["uid"], 0, reason=reason)
        found = kube.until_pod(lambda found: found["status"]["phase"] == "Failed")
        assert conditions(found)["DisruptionTarget"]["reason"] == condition
        assert found["metadata"]["deletionTimestamp"]

    @pytest.mark.parametrize(("reason", "told"), [("rebooted", "Terminated"), ("recreated", "Evicted")])
    def test_a_node_in_trouble_fails_its_pods_and_keeps_them(
        self, cloud: LocalCloud, kube: Kube, reason: str, told: str
    ):
        kube.create_pod(pod("sleep 60"))
        found = kube.until_pod(lambda found: found["status"]["phase"] == "Running")
        cloud.admin.interrupt(found["metadata"]["uid"], 0, reason=reason)
        found = kube.until_pod(lambda found: found["status"]["phase"] == "Failed")
        assert found["status"]["reason"] == told
        assert conditions(found)["DisruptionTarget"]["reason"] == "TerminationByKubelet"
        assert "deletionTimestamp" not in found["metadata"]

    def test_an_eviction_is_a_disruption(self, kube: Kube):
        wanted = pod("sleep 60")
        wanted["metadata"]["finalizers"] = ["example.com/keep"]
        kube.create_pod(wanted)
        kube.until_pod(lambda found: found["status"]["phase"] == "Running")
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "pod"}}
        assert kube.call("POST", "/api/v1/namespaces/default/pods/pod/eviction", body)["status"] == "Success"
        found = kube.until_pod(lambda found: found["status"]["phase"] == "Failed")
        assert conditions(found)["DisruptionTarget"]["reason"] == "EvictionByEvictionAPI"
        kube.call("PATCH", "/api/v1/namespaces/default/pods/pod", {"metadata": {"finalizers": None}},
                  content_type="application/merge-patch+json")  # fmt: skip
        assert kube.pods() == []
