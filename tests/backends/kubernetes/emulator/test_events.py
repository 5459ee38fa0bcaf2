"""What is reported about jobs and pods, and the two APIs that tell it."""

from __future__ import annotations

from tests.backends.kubernetes.emulator.conftest import Kube, indexed, job, pod


def reasons(kube: Kube, name: str) -> list[str]:
    return [reason for reason, _ in kube.events(name)]


def test_a_pod_s_way_is_told_step_by_step(kube: Kube):
    kube.run_pod(pod())
    assert sorted(reasons(kube, "pod")) == ["Created", "Pulled", "Scheduled", "Started"]


def test_a_job_tells_of_its_pods_and_its_end(kube: Kube):
    kube.run(job())
    [found] = kube.pods()
    assert sorted(kube.events("work")) == [
        ("Completed", "Job completed"),
        ("SuccessfulCreate", f"Created pod: {found['metadata']['name']}"),
    ]


def test_a_failure_is_a_warning_with_its_reason(kube: Kube):
    kube.run(job("exit 1"))
    assert ("BackoffLimitExceeded", "Job has reached the specified backoff limit") in kube.events("work")


def test_suspending_and_resuming_are_told(kube: Kube):
    kube.create(job(suspend=True))
    kube.until_job(lambda _: "Suspended" in reasons(kube, "work"))
    kube.batch.patch_namespaced_job("work", "default", {"spec": {"suspend": False}})
    kube.end()
    assert "Resumed" in reasons(kube, "work")


def test_an_event_says_whom_it_is_about_and_who_says_it(kube: Kube):
    made = kube.run(job())
    found = kube.call("GET", "/api/v1/namespaces/default/events", fieldSelector="reason=Completed")
    [event] = found["items"]
    assert event["involvedObject"]["uid"] == made["metadata"]["uid"]
    assert event["involvedObject"]["kind"] == "Job"
    assert event["source"] == {"component": "job-controller"}
    assert (event["type"], event["count"]) == ("Normal", 1)
    assert event["firstTimestamp"] == event["lastTimestamp"]


def test_a_container_s_events_say_which_it_is(kube: Kube):
    kube.run_pod(pod())
    query = "involvedObject.fieldPath=spec.containers{main},reason=Started"
    [event] = kube.call("GET", "/api/v1/events", fieldSelector=query)["items"]
    assert event["source"] == {"component": "kubelet", "host": "k8s-node-1"}


def test_many_alike_become_one(kube: Kube):
    kube.run(indexed(completions=30))
    made = kube.call("GET", "/api/v1/namespaces/default/events", fieldSelector="reason=SuccessfulCreate")[
        "items"
    ]
    assert len(made) == 11
    [combined] = [event for event in made if event["message"].startswith("(combined from similar events): ")]
    assert combined["count"] == 20


def test_the_newer_api_tells_the_same_in_its_own_words(kube: Kube):
    kube.run(job())
    path = "/apis/events.k8s.io/v1/namespaces/default/events"
    found = kube.call("GET", path)["items"]
    old = kube.call("GET", "/api/v1/namespaces/default/events")["items"]
    assert [event["metadata"]["uid"] for event in found] == [event["metadata"]["uid"] for event in old]
    assert {event["note"] for event in found} == {event["message"] for event in old}
    assert all(event["regarding"]["name"] for event in found)
