"""Why pods and Jobs failed, by the words that the service has for it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.backends.kubernetes import failures
from airflow_provider_jobs.backends.kubernetes.failures import failures_of
from airflow_provider_jobs.core.failures import Failure, FailureKind
from tests.backends.kubernetes.api import condition, container, ended, handle, job, pod

Kind = FailureKind
FAILED = job(condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "m"}


def failure(*pods: dict[str, Any], told: dict[str, Any] = FAILED, is_whole: bool = True) -> Failure:
    """Return the one failure of a Job with these pods."""
    (found,) = failures_of(told, pods, handle(), is_whole=is_whole)
    return found


class TestContainers:
    @pytest.mark.parametrize("code", [1, 2, 3, 126, 127, 143, 255])
    def test_an_exit_code_is_the_users_code(self, code: int) -> None:
        told = failure(pod(None, container(terminated=ended(code))))
        assert (told.kind, told.retryable, told.exit_code, told.index) == (Kind.USER_CODE, True, code, 0)
        assert told.message == f"it exited with code {code}"

    @pytest.mark.parametrize(
        ("end", "kind", "retryable", "code"),
        [
            (ended(137, "OOMKilled"), Kind.OUT_OF_MEMORY, True, 137),
            (ended(137), Kind.USER_CODE, True, 137),
            (ended(139, signal=11), Kind.USER_CODE, True, 139),
            (ended(128, "StartError", message="no such file: run.sh"), Kind.CONFIG, False, None),
            (ended(127, "ContainerCannotRun"), Kind.CONFIG, False, None),
            (ended(128, "RunContainerError"), Kind.CONFIG, False, None),
            (ended(137, "ContainerStatusUnknown"), Kind.PLATFORM, True, None),
            (ended(143, "DeadlineExceeded"), Kind.TIMEOUT, True, 143),
        ],
    )
    def test_a_word_beside_the_code_tells_more(
        self, end: dict[str, Any], kind: Kind, retryable: bool, code: int | None
    ) -> None:
        told = failure(pod(None, container(terminated=end)))
        assert (told.kind, told.retryable, told.exit_code) == (kind, retryable, code)
        assert told.native_reason is not None
        assert told.native_reason.startswith(end["reason"])

    def test_a_killed_process_is_out_of_memory_only_where_the_service_says_so(self) -> None:
        assert "most often for want of memory" in failure(pod(None, container(terminated=ended(137)))).message

    def test_what_cannot_be_started_says_why(self) -> None:
        told = failure(pod(None, container(terminated=ended(128, "StartError", message="no run.sh"))))
        assert told.message == "it could not be started (exit code 128): no run.sh"

    def test_the_jobs_own_container_is_told_before_those_beside_it(self) -> None:
        both = pod(None, container("proxy", terminated=ended(1)), container("main", terminated=ended(3)))
        both["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = "main"
        assert failure(both).exit_code == 3

    def test_another_container_is_named(self) -> None:
        beside = pod(
            None, container("main", terminated=ended(0, "Completed")), container("proxy", terminated=ended(4))
        )
        assert failure(beside).message == "container 'proxy' of the job exited with code 4"
        first = pod(None, container(waiting={"reason": "PodInitializing"}))
        first["status"]["initContainerStatuses"] = [container("fetch", terminated=ended(5))]
        assert failure(first).message == "container 'fetch' of the job exited with code 5"


class TestPods:
    @pytest.mark.parametrize("word", failures.POD_REASONS)
    def test_what_ended_a_pod_from_outside_is_not_the_commands_exit_code(self, word: str) -> None:
        told = failure(pod(None, container(terminated=ended(137)), reason=word, message="said"))
        assert (told.kind, told.exit_code) == (failures.POD_REASONS[word].kind, None)
        assert told.native_reason == f"{word} said"

    @pytest.mark.parametrize(
        ("word", "kind"),
        [
            ("DeadlineExceeded", Kind.TIMEOUT),
            ("Evicted", Kind.PREEMPTED),
            ("Terminated", Kind.PREEMPTED),
            ("NodeLost", Kind.PLATFORM),
            ("OutOfcpu", Kind.CAPACITY),
            ("UnexpectedAdmissionError", Kind.PLATFORM),
        ],
    )
    def test_its_kind_is_what_helps(self, word: str, kind: Kind) -> None:
        assert failure(pod(None, reason=word)).kind is kind

    def test_a_pod_put_out_for_its_own_storage_is_the_users_code(self) -> None:
        message = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi."
        assert failure(pod(None, reason="Evicted", message=message)).kind is Kind.USER_CODE

    @pytest.mark.parametrize("word", [*failures.DISRUPTIONS, "SomethingNew"])
    def test_a_pod_that_was_taken_away_is_preempted(self, word: str) -> None:
        disrupted = {**DISRUPTED, "reason": word}
        told = failure(pod(None, container(terminated=ended(137)), conditions=[disrupted]))
        assert (told.kind, told.retryable, told.exit_code) == (Kind.PREEMPTED, True, None)
        assert told.native_reason == f"{word}: m"

    def test_the_disruptions_are_those_of_the_documents(self) -> None:
        assert set(failures.DISRUPTIONS) == {
            "PreemptionByScheduler",
            "DeletionByTaintManager",
            "EvictionByEvictionAPI",
            "DeletionByPodGC",
            "TerminationByKubelet",
        }

    def test_a_pod_that_failed_without_a_word_is_the_platforms(self) -> None:
        told = failure(pod(None, container(waiting={})))
        assert (told.kind, told.message) == (Kind.PLATFORM, "it failed: the service gives no reason")

    def test_the_pod_that_was_made_last_counts(self) -> None:
        first = pod(None, container(terminated=ended(1)), created="2030-01-01T00:00:00Z")
        last = pod(None, container(terminated=ended(2)), created="2030-01-01T00:01:00Z")
        assert failure(last, first).exit_code == 2

    def test_a_pod_that_is_ended_since_the_job_failed_elsewhere_is_no_failure(self) -> None:
        told = job(condition("Failed", "BackoffLimitExceeded"), size=3, completedIndexes="0")
        cut = pod(2, container(terminated=ended(143)), deleted="2030-01-01T00:00:09Z")
        guilty = pod(1, container(terminated=ended(3)))
        found = failures_of(told, [cut, guilty], handle(3))
        assert [(each.index, each.exit_code) for each in found] == [(1, 3)]


class TestIndexes:
    def test_each_failed_index_is_told_by_its_original_index(self) -> None:
        told = job(condition("Failed", "FailedIndexes"), size=3, completedIndexes="1", failedIndexes="0,2")
        pods = [pod(0, container(terminated=ended(3))), pod(2, container(terminated=ended(137, "OOMKilled")))]
        found = failures_of(told, pods, handle(3, (5, 6, 9)))
        assert [(each.index, each.kind) for each in found] == [(5, Kind.USER_CODE), (9, Kind.OUT_OF_MEMORY)]
        assert found[0].message == "index 5 exited with code 3"

    def test_an_index_that_succeeded_later_is_not_told(self) -> None:
        told = job(condition("Failed", "FailedIndexes"), size=2, completedIndexes="0", failedIndexes="1")
        pods = [pod(0, container(terminated=ended(3))), pod(1, container(terminated=ended(4)))]
        assert [each.index for each in failures_of(told, pods, handle(2))] == [1]

    def test_only_the_first_are_told_in_detail(self) -> None:
        told = job(condition("Failed", "FailedIndexes"), size=30, failedIndexes="0-29")
        pods = [pod(index, container(terminated=ended(1))) for index in range(30)]
        found = failures_of(told, pods, handle(30))
        assert [each.index for each in found] == list(range(failures.MAX_DETAILED_FAILURES))

    @pytest.mark.parametrize(("is_whole", "kind"), [(False, Kind.USER_CODE), (True, Kind.PREEMPTED)])
    def test_without_pods_the_indexes_are_told_all_the_same(self, is_whole: bool, kind: Kind) -> None:
        told = job(condition("Failed", "FailedIndexes", "Job has failed indexes"), size=3, failedIndexes="1")
        (found,) = failures_of(told, [], handle(3), is_whole=is_whole)
        assert (found.index, found.kind, found.exit_code) == (1, kind, None)


class TestJobs:
    # Every reason of a failed Job in k8s.io/api/batch/v1/types.go.
    @pytest.mark.parametrize(
        ("reason", "kind", "retryable"),
        [
            ("BackoffLimitExceeded", Kind.USER_CODE, True),
            ("DeadlineExceeded", Kind.TIMEOUT, True),
            ("FailedIndexes", Kind.USER_CODE, True),
            ("MaxFailedIndexesExceeded", Kind.USER_CODE, True),
            ("PodFailurePolicy", Kind.USER_CODE, False),
        ],
    )
    def test_a_reason_is_told_where_no_pod_is_seen(self, reason: str, kind: Kind, retryable: bool) -> None:
        assert reason in failures.JOB_REASONS
        told = failure(told=job(condition("Failed", reason, "said")), is_whole=False)
        assert (told.kind, told.retryable, told.index) == (kind, retryable, None)
        assert told.native_reason == f"{reason}: said"

    def test_there_are_five_of_them(self) -> None:
        assert len(failures.JOB_REASONS) == 5

    def test_a_word_of_a_later_service_is_the_platforms(self) -> None:
        told = failure(told=job(condition("Failed", "Astonished", "what a day")))
        assert (told.kind, told.message) == (Kind.PLATFORM, "the job failed: what a day")

    def test_a_pod_that_is_gone_was_taken_away(self) -> None:
        told = failure()
        assert (told.kind, told.retryable) == (Kind.PREEMPTED, True)
        assert "its pod is gone" in told.message

    def test_where_the_service_deletes_the_pod_itself_nobody_else_did(self) -> None:
        restarts = job(condition("Failed", "BackoffLimitExceeded"))
        restarts["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
        assert failure(told=restarts).kind is Kind.USER_CODE

    def test_a_rule_on_disruptions_tells_of_one(self) -> None:
        message = "Pod ml/x-abcde has condition DisruptionTarget matching FailJob rule at index 0"
        told = failure(told=job(condition("Failed", "PodFailurePolicy", message)))
        assert (told.kind, told.retryable) == (Kind.PREEMPTED, True)

    def test_a_deadline_of_the_job_is_told_before_what_its_pods_did(self) -> None:
        told = job(condition("Failed", "DeadlineExceeded"))
        found = failures_of(told, [pod(None, container(terminated=ended(1)))], handle())
        assert [each.kind for each in found] == [Kind.TIMEOUT, Kind.USER_CODE]

    def test_a_rule_of_the_users_own_makes_an_exit_code_final(self) -> None:
        message = (
            "Container main for pod ml/x-abcde failed with exit code 42 matching FailJob rule at index 0"
        )
        told = job(condition("Failed", "PodFailurePolicy", message))
        without_pods = failure(told=told)
        assert (without_pods.exit_code, without_pods.retryable) == (42, False)
        with_pod = failure(pod(None, container(terminated=ended(42))), told=told)
        assert (with_pod.exit_code, with_pod.retryable) == (42, False)
        taken_away = failure(pod(None, conditions=[DISRUPTED]), told=told)
        assert (taken_away.kind, taken_away.retryable) == (Kind.PREEMPTED, True)
