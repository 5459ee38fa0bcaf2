"""Jobs that succeed: what a client reads from the creation to the end."""

from __future__ import annotations

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.kubernetes.emulator.conftest import Kube, conditions, indexed, job, until

UID = "batch.kubernetes.io/controller-uid"


class TestDefaults:
    def test_a_new_job_is_answered_with_what_the_server_fills_in(self, kube: Kube):
        made = kube.create({"metadata": {"name": "work"}, "spec": {"template": job()["spec"]["template"]}})
        spec = made["spec"]
        assert made["kind"], made["apiVersion"] == ("Job", "batch/v1")
        assert made["status"] == {}
        assert made["metadata"]["generation"] == 1
        assert spec["completions"] == spec["parallelism"] == 1
        assert spec["backoffLimit"] == 6
        assert spec["completionMode"] == "NonIndexed"
        assert spec["suspend"] is spec["manualSelector"] is False
        assert spec["podReplacementPolicy"] == "TerminatingOrFailed"
        assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 30

    def test_pods_are_selected_by_the_job_s_uid(self, kube: Kube):
        made = kube.create(job())
        uid = made["metadata"]["uid"]
        labels = {"controller-uid": uid, UID: uid, "job-name": "work", "batch.kubernetes.io/job-name": "work"}
        assert made["spec"]["selector"] == {"matchLabels": {UID: uid}}
        assert made["spec"]["template"]["metadata"]["labels"] == labels
        assert made["metadata"]["labels"] == labels

    def test_labels_of_the_job_stay_its_own(self, kube: Kube):
        wanted = job()
        wanted["metadata"]["labels"] = {"app": "demo"}
        assert kube.create(wanted)["metadata"]["labels"] == {"app": "demo"}

    def test_a_limit_per_index_leaves_the_whole_without_limit(self, kube: Kube):
        wanted = indexed(backoffLimitPerIndex=1)
        del wanted["spec"]["backoffLimit"]
        assert kube.create(wanted)["spec"]["backoffLimit"] == 2147483647

    def test_a_pod_failure_policy_lets_only_failed_pods_be_replaced(self, kube: Kube):
        rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
        made = kube.create(job(podFailurePolicy={"rules": rules}))
        assert made["spec"]["podReplacementPolicy"] == "Failed"

    def test_parallelism_alone_makes_a_work_queue(self, kube: Kube):
        made = kube.create(job(parallelism=2))
        assert "completions" not in made["spec"]

    def test_a_generated_name_begins_as_asked(self, kube: Kube):
        wanted = job()
        wanted["metadata"] = {"generateName": "train-"}
        name = kube.create(wanted)["metadata"]["name"]
        assert name.startswith("train-")
        assert len(name) == len("train-") + 5

    def test_quantities_are_written_in_one_way(self, kube: Kube):
        template = job()["spec"]["template"]["spec"]
        template["containers"][0]["resources"] = {"limits": {"cpu": 0.5, "memory": "1024Mi"}}
        made = kube.create(job(template=template))
        resources = made["spec"]["template"]["spec"]["containers"][0]["resources"]
        assert resources == {"limits": {"cpu": "500m", "memory": "1Gi"}}


class TestCompletion:
    def test_a_success_has_both_conditions_and_its_times(self, kube: Kube):
        done = kube.run(job())
        status = done["status"]
        assert [each["type"] for each in status["conditions"]] == ["SuccessCriteriaMet", "Complete"]
        told = {each["reason"]: each["message"] for each in status["conditions"]}
        assert told == {"CompletionsReached": "Reached expected number of succeeded pods"}
        assert status["startTime"] <= status["completionTime"]
        assert status["succeeded"] == 1
        assert (status["ready"], status["terminating"], status["uncountedTerminatedPods"]) == (0, 0, {})
        assert {"active", "failed", "completedIndexes"}.isdisjoint(status)

    def test_every_index_runs_once_and_knows_which_it_is(self, kube: Kube):
        done = kube.run(indexed("echo index $JOB_COMPLETION_INDEX", completions=12, parallelism=4))
        assert done["status"]["completedIndexes"] == "0-11"
        pods = kube.pods()
        index = "batch.kubernetes.io/job-completion-index"
        assert sorted(int(pod["metadata"]["labels"][index]) for pod in pods) == list(range(12))
        for pod in pods:
            number = pod["metadata"]["annotations"][index]
            assert pod["metadata"]["name"].startswith(f"work-{number}-")
            assert pod["spec"]["hostname"] == f"work-{number}"
            assert kube.log(pod["metadata"]["name"]) == f"index {number}\n"

    def test_no_more_pods_run_at_once_than_allowed(self, kube: Kube):
        kube.create(indexed("sleep 0.2", completions=6, parallelism=2))
        seen = []

        def look(found: dict) -> bool:
            seen.append(found["status"].get("active", 0))
            return "Complete" in conditions(found)

        kube.until_job(look)
        assert max(seen) <= 2

    def test_a_work_queue_is_complete_when_a_pod_succeeds_and_the_others_end(self, kube: Kube):
        done = kube.run(job("true", parallelism=3))
        assert "Complete" in conditions(done)
        assert 1 <= done["status"]["succeeded"] <= 3

    def test_no_completions_are_complete_at_once(self, kube: Kube):
        done = kube.run(job(completions=0, parallelism=1))
        assert kube.pods() == []
        assert "succeeded" not in done["status"]

    def test_running_pods_are_active_and_ready(self, kube: Kube):
        kube.create(indexed("sleep 60", completions=2))
        status = kube.until_job(lambda found: found["status"].get("ready") == 2)["status"]
        assert (status["active"], status["terminating"]) == (2, 0)
        assert "succeeded" not in status

    def test_pods_belong_to_their_job_and_are_counted_once(self, kube: Kube):
        done = kube.run(job())
        [pod] = kube.pods()
        [owner] = pod["metadata"]["ownerReferences"]
        assert owner == {
            "apiVersion": "batch/v1", "kind": "Job", "name": "work", "uid": done["metadata"]["uid"],
            "controller": True, "blockOwnerDeletion": True,
        }  # fmt: skip
        assert "finalizers" not in pod["metadata"]

    def test_parallelism_can_be_raised_and_lowered(self, kube: Kube):
        kube.create(indexed("sleep 60", completions=4, parallelism=1))
        kube.until_job(lambda found: found["status"].get("active") == 1)
        for wanted in (4, 2):
            kube.batch.patch_namespaced_job("work", "default", {"spec": {"parallelism": wanted}})
            found = kube.until_job(lambda found, wanted=wanted: found["status"].get("active") == wanted)
            assert "failed" not in found["status"]

    def test_elastic_jobs_grow_with_completions_and_parallelism_together(self, kube: Kube):
        kube.create(indexed("sleep 60", completions=1))
        kube.batch.patch_namespaced_job("work", "default", {"spec": {"completions": 3, "parallelism": 3}})
        assert kube.until_job(lambda found: found["status"].get("active") == 3)["metadata"]["generation"] == 2

    def test_many_pods_are_one_job(self, kube: Kube):
        done = kube.run(indexed("exit 0", completions=150, parallelism=150))
        assert done["status"]["completedIndexes"] == "0-149"
        assert len(kube.pods("job-name=work")) == 150


class TestDeleting:
    def test_background_takes_the_job_at_once_and_the_pods_after_it(self, kube: Kube):
        kube.create(job("sleep 60"))
        kube.until_job(lambda found: found["status"].get("ready"))
        status = kube.call(
            "DELETE", "/apis/batch/v1/namespaces/default/jobs/work", {"propagationPolicy": "Background"}
        )
        assert status["status"] == "Success"
        assert status["details"]["name"] == "work"
        assert kube.error("GET", "/apis/batch/v1/namespaces/default/jobs/work")["reason"] == "NotFound"
        until(kube.pods, lambda found: not found)

    def test_foreground_keeps_the_job_until_its_pods_are_gone(self, kube: Kube):
        kube.create(job("trap 'sleep 0.2; exit 0' TERM; sleep 60 & wait"))
        kube.until_job(lambda found: found["status"].get("ready"))
        answer = kube.call(
            "DELETE", "/apis/batch/v1/namespaces/default/jobs/work", {"propagationPolicy": "Foreground"}
        )
        assert answer["metadata"]["finalizers"] == ["foregroundDeletion"]
        assert answer["metadata"]["deletionTimestamp"]
        assert answer["metadata"]["generation"] == 2
        until(lambda: kube.call("GET", "/apis/batch/v1/jobs")["items"], lambda found: not found)
        assert kube.pods() == []

    def test_orphans_run_on_without_an_owner(self, kube: Kube):
        kube.create(job("sleep 60"))
        kube.until_job(lambda found: found["status"].get("ready"))
        kube.call("DELETE", "/apis/batch/v1/namespaces/default/jobs/work", {"propagationPolicy": "Orphan"})
        until(lambda: kube.call("GET", "/apis/batch/v1/jobs")["items"], lambda found: not found)
        [pod] = until(kube.pods, lambda found: "finalizers" not in found[0]["metadata"])
        assert pod["status"]["phase"] == "Running"
        assert "ownerReferences" not in pod["metadata"]

    def test_without_a_policy_pods_are_left_and_the_client_is_warned(self, kube: Kube):
        kube.run(job())
        _, _, headers = kube.batch.delete_namespaced_job_with_http_info("work", "default")
        assert "child pods are preserved by default" in headers["Warning"]
        until(lambda: kube.call("GET", "/apis/batch/v1/jobs")["items"], lambda found: not found)
        assert len(kube.pods()) == 1

    def test_a_precondition_protects_a_job_of_the_same_name(self, kube: Kube):
        made = kube.create(job())
        path = "/apis/batch/v1/namespaces/default/jobs/work"
        refusal = kube.error("DELETE", path, {"preconditions": {"uid": "0"}})
        assert refusal["reason"] == "Conflict"
        assert f"UID in object meta: {made['metadata']['uid']}" in refusal["message"]

    def test_a_collection_goes_by_its_labels(self, kube: Kube):
        for name in ("a", "b"):
            wanted = job(name=name)
            wanted["metadata"]["labels"] = {"group": name}
            kube.create(wanted)
        kube.batch.delete_collection_namespaced_job(
            "default", label_selector="group=a", propagation_policy="Background"
        )
        left = kube.call("GET", "/apis/batch/v1/namespaces/default/jobs")["items"]
        assert [each["metadata"]["name"] for each in left] == ["b"]

    def test_a_finished_job_goes_when_its_time_to_live_is_over(self, kube: Kube):
        kube.create(job(ttlSecondsAfterFinished=0))
        until(lambda: kube.call("GET", "/apis/batch/v1/jobs")["items"], lambda found: not found)
        assert kube.pods() == []


class TestReset:
    def test_nothing_is_left_and_nothing_comes_back(self, cloud: LocalCloud, kube: Kube):
        kube.create(indexed("sleep 60", completions=5, backoffLimit=100))
        kube.until_job(lambda found: found["status"].get("ready") == 5)
        cloud.admin.reset()
        assert kube.call("GET", "/apis/batch/v1/jobs")["items"] == kube.pods() == cloud.admin.jobs() == []
        assert kube.call("GET", "/api/v1/events")["items"] == []
        kube.run(job())
        assert len(kube.pods()) == len(cloud.admin.jobs()) == 1


class TestSuspending:
    def test_a_suspended_job_has_no_pods_and_no_start(self, kube: Kube):
        kube.create(job(suspend=True))
        found = kube.until_job(lambda found: "Suspended" in conditions(found))
        assert "startTime" not in found["status"]
        assert conditions(found)["Suspended"]["reason"] == "JobSuspended"
        assert kube.pods() == []

    def test_a_resumed_job_starts_anew_and_ends(self, kube: Kube):
        kube.create(job(suspend=True))
        kube.until_job(lambda found: "Suspended" in conditions(found))
        kube.batch.patch_namespaced_job("work", "default", {"spec": {"suspend": False}})
        done = kube.end()
        assert conditions(done)["Suspended"]["status"] == "False"
        assert conditions(done)["Suspended"]["reason"] == "JobResumed"
        assert done["status"]["startTime"]

    def test_suspending_ends_the_pods_without_counting_them(self, kube: Kube):
        kube.create(job("sleep 60"))
        kube.until_job(lambda found: found["status"].get("ready"))
        kube.batch.patch_namespaced_job("work", "default", {"spec": {"suspend": True}})
        found = kube.until_job(lambda found: "Suspended" in conditions(found))
        assert {"active", "failed", "startTime"}.isdisjoint(found["status"])
        until(kube.pods, lambda found: not found)
        assert "Failed" not in conditions(kube.job())
