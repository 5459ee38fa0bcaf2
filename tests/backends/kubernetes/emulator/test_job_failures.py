"""Jobs that fail: limits, policies, deadlines, and what is told of them."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.kubernetes.emulator.conftest import (
    Kube,
    conditions,
    container,
    holds,
    indexed,
    job,
    until,
)

EXIT_BY_INDEX = "exit $JOB_COMPLETION_INDEX"
FAILURES = "batch.kubernetes.io/job-index-failure-count"


def failed(done: dict) -> tuple[str, str]:
    """Reason and message of a failure, which both conditions tell alike."""
    target, end = conditions(done)["FailureTarget"], conditions(done)["Failed"]
    assert (target["reason"], target["message"]) == (end["reason"], end["message"])
    assert "completionTime" not in done["status"]
    return end["reason"], end["message"]


def rule(action: str, *codes: int, operator: str = "In", **more: object) -> dict:
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(codes), **more}}


class TestBackoffLimit:
    def test_a_failed_pod_is_replaced_until_the_limit_is_exceeded(self, kube: Kube):
        done = kube.run(job("exit 3", backoffLimit=2))
        assert failed(done) == ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        assert done["status"]["failed"] == 3
        assert [pod["status"]["phase"] for pod in kube.pods()] == ["Failed"] * 3

    def test_a_failure_ends_the_other_pods_and_counts_them(self, kube: Kube):
        done = kube.run(indexed("[ $JOB_COMPLETION_INDEX = 1 ] && exit 1; sleep 60", completions=3))
        assert failed(done)[0] == "BackoffLimitExceeded"
        assert done["status"]["failed"] == 3
        assert done["status"]["terminating"] == 0

    def test_many_pods_are_ended_together(self, kube: Kube):
        done = kube.run(indexed("[ $JOB_COMPLETION_INDEX = 0 ] && exit 1; sleep 60", completions=150))
        assert failed(done)[0] == "BackoffLimitExceeded"
        assert done["status"]["failed"] == 150
        until(kube.pods, lambda found: len(found) == 1)

    def test_replacements_wait_longer_and_longer(self, cloud: LocalCloud, kube: Kube):
        cloud.admin.call("PUT", "/kubernetes/settings", {"backoff_scale": 1.0})
        kube.create(job("exit 1", backoffLimit=3))
        found = kube.until_job(lambda found: found["status"].get("failed") == 1)
        assert "active" not in found["status"]
        assert len(kube.pods()) == 1

    def test_restarts_in_place_count_against_the_limit(self, kube: Kube):
        done = kube.run(job("exit 1", backoffLimit=2, template={"restartPolicy": "OnFailure"}))
        assert failed(done)[0] == "BackoffLimitExceeded"
        assert done["status"]["failed"] == 1

    def test_a_restart_in_place_may_succeed(self, kube: Kube, tmp_path):
        marker = tmp_path / "marker"
        script = f"[ -e {marker} ] || {{ touch {marker}; exit 1; }}"
        done = kube.run(job(script, backoffLimit=6, template={"restartPolicy": "OnFailure"}))
        assert holds(done, "Complete")
        assert "failed" not in done["status"]
        [pod] = kube.pods()
        [status] = pod["status"]["containerStatuses"]
        assert status["restartCount"] == 1
        assert status["lastState"]["terminated"]["exitCode"] == 1


class TestPerIndex:
    def test_indexes_fail_on_their_own_and_the_others_finish(self, kube: Kube):
        done = kube.run(indexed(EXIT_BY_INDEX, completions=4, backoffLimitPerIndex=1, backoffLimit=100))
        status = done["status"]
        assert failed(done) == ("FailedIndexes", "Job has failed indexes")
        assert (status["completedIndexes"], status["failedIndexes"]) == ("0", "1-3")
        assert (status["succeeded"], status["failed"]) == (1, 6)

    def test_each_pod_knows_how_often_its_index_has_failed(self, kube: Kube):
        kube.run(indexed(EXIT_BY_INDEX, completions=2, backoffLimitPerIndex=2, backoffLimit=100))
        pods = kube.pods("batch.kubernetes.io/job-completion-index=1")
        assert sorted(pod["metadata"]["annotations"][FAILURES] for pod in pods) == ["0", "1", "2"]

    def test_too_many_failed_indexes_end_the_job(self, kube: Kube):
        wanted = indexed(
            "[ $JOB_COMPLETION_INDEX = 3 ] && sleep 60; exit 1", completions=4, backoffLimitPerIndex=0,
            maxFailedIndexes=1, backoffLimit=100,
        )  # fmt: skip
        done = kube.run(wanted)
        assert failed(done) == (
            "MaxFailedIndexesExceeded",
            "Job has exceeded the specified maximal number of failed indexes",
        )

    def test_without_failures_the_list_is_there_and_empty(self, kube: Kube):
        done = kube.run(indexed(completions=2, backoffLimitPerIndex=1))
        assert done["status"]["failedIndexes"] == ""
        assert holds(done, "Complete")


class TestPodFailurePolicy:
    def test_a_rule_can_fail_the_job(self, kube: Kube):
        rules = {"rules": [rule("FailJob", 42)]}
        done = kube.run(job("exit 42", backoffLimit=6, podFailurePolicy=rules))
        [pod] = kube.pods()
        told = f"Container main for pod default/{pod['metadata']['name']} failed with exit code 42"
        assert failed(done) == ("PodFailurePolicy", f"{told} matching FailJob rule at index 0")
        assert done["status"]["failed"] == 1

    def test_a_rule_can_ignore_a_failure(self, kube: Kube, tmp_path):
        marker = tmp_path / "marker"
        script = f"[ -e {marker} ] || {{ touch {marker}; exit 5; }}"
        done = kube.run(job(script, podFailurePolicy={"rules": [rule("Ignore", 5)]}))
        assert holds(done, "Complete")
        assert "failed" not in done["status"]

    def test_a_rule_can_fail_one_index(self, kube: Kube):
        rules = {"rules": [rule("FailIndex", 1)]}
        wanted = indexed(
            EXIT_BY_INDEX, completions=2, backoffLimitPerIndex=5, backoffLimit=100, podFailurePolicy=rules
        )
        done = kube.run(wanted)
        assert failed(done)[0] == "FailedIndexes"
        assert (done["status"]["failed"], done["status"]["failedIndexes"]) == (1, "1")

    def test_the_first_rule_that_matches_decides(self, kube: Kube):
        rules = {"rules": [rule("Count", 7), rule("FailJob", 0, 1, operator="NotIn")]}
        done = kube.run(job("exit 7", backoffLimit=1, podFailurePolicy=rules))
        assert failed(done)[0] == "BackoffLimitExceeded"
        assert done["status"]["failed"] == 2

    def test_a_rule_may_name_one_of_several_containers(self, kube: Kube):
        rules = {"rules": [rule("FailJob", 3, containerName="other")]}
        containers = [container("exit 3"), container("exit 0", name="other")]
        done = kube.run(job(template={"containers": containers}, podFailurePolicy=rules))
        assert failed(done)[0] == "BackoffLimitExceeded"

    def test_a_preempted_pod_can_be_replaced_without_being_counted(self, cloud: LocalCloud, kube: Kube):
        condition = [{"type": "DisruptionTarget"}]
        rules = {"rules": [{"action": "Ignore", "onPodConditions": condition}]}
        kube.create(job("sleep 60", podFailurePolicy=rules))
        kube.until_job(lambda found: found["status"].get("ready"))
        [pod] = kube.pods()
        cloud.admin.interrupt(pod["metadata"]["uid"], 0, reason="preempted")
        uid = pod["metadata"]["uid"]
        [other] = until(kube.pods, lambda found: len(found) == 1 and found[0]["metadata"]["uid"] != uid)
        assert other["metadata"]["name"].startswith("work-")
        assert "failed" not in kube.job()["status"]


class TestSuccessPolicy:
    @pytest.mark.parametrize(
        "wanted",
        [{"succeededIndexes": "0"}, {"succeededCount": 1}, {"succeededIndexes": "0-1", "succeededCount": 1}],
    )
    def test_some_indexes_are_enough(self, kube: Kube, wanted: dict):
        script = "[ $JOB_COMPLETION_INDEX = 0 ] || sleep 60"
        done = kube.run(indexed(script, completions=3, successPolicy={"rules": [wanted]}))
        assert {each["reason"] for each in done["status"]["conditions"]} == {"SuccessPolicy"}
        assert conditions(done)["Complete"]["message"] == "Matched rules at index 0"
        assert done["status"]["succeeded"] == 1
        assert "failed" not in done["status"]


class TestDeadline:
    def test_a_job_fails_when_its_time_is_over(self, kube: Kube):
        done = kube.run(job("sleep 60", activeDeadlineSeconds=1))
        assert failed(done) == ("DeadlineExceeded", "Job was active longer than specified deadline")
        assert done["status"]["failed"] == 1
        until(kube.pods, lambda found: not found)

    def test_a_pod_has_a_deadline_of_its_own(self, kube: Kube):
        done = kube.run(job("sleep 60", template={"activeDeadlineSeconds": 1}))
        assert failed(done)[0] == "BackoffLimitExceeded"
        [pod] = kube.pods()
        assert pod["status"]["reason"] == "DeadlineExceeded"
        assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"


class TestReplacement:
    def test_only_ended_pods_are_replaced_where_the_job_says_so(self, cloud: LocalCloud, kube: Kube):
        kube.create(
            job(
                "trap 'sleep 0.2; exit 1' TERM; sleep 60 & wait",
                backoffLimit=3,
                podReplacementPolicy="Failed",
            )
        )
        kube.until_job(lambda found: found["status"].get("ready"))
        [pod] = kube.pods()
        kube.core.delete_namespaced_pod(pod["metadata"]["name"], "default")
        found = kube.until_job(lambda found: found["status"].get("terminating"))
        assert "active" not in found["status"]
        kube.until_job(lambda found: found["status"].get("active"))

    def test_a_pod_that_is_deleted_is_replaced(self, kube: Kube):
        kube.create(job("sleep 60", backoffLimit=3))
        kube.until_job(lambda found: found["status"].get("ready"))
        [pod] = kube.pods()
        kube.core.delete_namespaced_pod(pod["metadata"]["name"], "default")
        found = kube.until_job(lambda found: found["status"].get("failed") and found["status"].get("active"))
        assert (found["status"]["failed"], found["status"]["active"]) == (1, 1)

    @pytest.mark.parametrize("policy", ["Failed", "TerminatingOrFailed"])
    def test_a_pod_that_vanishes_from_the_engine_counts_as_failed(
        self, cloud: LocalCloud, kube: Kube, policy: str
    ):
        kube.create(job("sleep 60", podReplacementPolicy=policy))
        kube.until_job(lambda found: found["status"].get("ready"))
        [pod] = kube.pods()
        cloud.admin.remove(pod["metadata"]["uid"])
        assert failed(kube.end())[0] == "BackoffLimitExceeded"
