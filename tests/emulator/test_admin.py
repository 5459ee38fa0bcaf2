from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pendulum
import pytest

from airflow_provider_jobs.emulator.process import LocalCloud, LocalCloudFailed

JOBS = "/v1/projects/p/locations/us-central1/jobs"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalCloud]:
    with LocalCloud("--kill-grace-seconds", "0.2", "--simulate-sleep") as cloud:
        yield cloud


@pytest.fixture
def cloud(server: LocalCloud) -> LocalCloud:
    server.admin.reset()
    return server


def ask(cloud: LocalCloud, verb: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(cloud.http.removeprefix("http://"), timeout=20)
    try:
        connection.request(verb, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data[:1] in (b"{", b"[") else data.decode()
    finally:
        connection.close()


def submit(cloud: LocalCloud, job_id: str, text: str = "true", **group: Any) -> dict[str, Any]:
    spec = {"runnables": [{"script": {"text": text}}]}
    status, body = ask(cloud, "POST", f"{JOBS}?jobId={job_id}", {"taskGroups": [{"taskSpec": spec, **group}]})
    assert status == 200, body
    return body


def state(cloud: LocalCloud, job_id: str) -> str:
    return ask(cloud, "GET", f"{JOBS}/{job_id}")[1]["status"]["state"]


def wait_for(cloud: LocalCloud, job_id: str, wanted: str) -> None:
    while (found := state(cloud, job_id)) != wanted:
        assert found in ("QUEUED", "SCHEDULED", "RUNNING", "CANCELLATION_IN_PROGRESS"), found


def test_calls_are_counted_by_method_and_outcome(cloud: LocalCloud):
    submit(cloud, "a")
    for _ in range(3):
        ask(cloud, "GET", f"{JOBS}/a")
    ask(cloud, "GET", f"{JOBS}/b")
    counted = cloud.admin.counters()["google.cloud.batch.v1.BatchService/GetJob"]
    assert counted["calls"] == 4
    assert counted["outcomes"] == {"OK": 3, "NOT_FOUND": 1}
    assert cloud.admin.calls("GetJob") == 4
    cloud.admin.clear_counters()
    assert cloud.admin.calls("GetJob") == 0


def test_jobs_are_listed_across_dialects_with_their_images_and_task_counts(cloud: LocalCloud):
    container = {"imageUri": "busybox:1.36", "commands": ["true"]}
    group = {"taskSpec": {"runnables": [{"container": container}]}, "taskCount": 3}
    ask(cloud, "POST", f"{JOBS}?jobId=a", {"taskGroups": [group]})
    wait_for(cloud, "a", "SUCCEEDED")
    (job,) = cloud.admin.jobs()
    assert job["dialect"] == "gcp_batch"
    assert job["name"] == "projects/p/locations/us-central1/jobs/a"
    assert (job["state"], job["tasks"]) == ("succeeded", {"succeeded": 3})
    assert job["images"] == ["busybox:1.36"]
    told = cloud.admin.job(job["uid"])
    assert [event["after"] for event in told["events"]] == ["scheduled", "running", "succeeded"]
    assert told["tasks"][2]["events"][-1]["end"] == {"reason": "exited", "exit_code": 0, "message": ""}
    with pytest.raises(LocalCloudFailed, match="404"):
        cloud.admin.job("unknown")


@pytest.mark.parametrize(
    ("stage", "held"),
    [("scheduled", "QUEUED"), ("assigned", "SCHEDULED"), ("running", "SCHEDULED"), ("finished", "RUNNING")],
)
def test_a_job_can_be_held_before_every_step_and_let_go(cloud: LocalCloud, stage: str, held: str):
    rule = cloud.admin.hold(stage, job="*/jobs/held-*")
    submit(cloud, "held-1")
    submit(cloud, "free-1")
    wait_for(cloud, "free-1", "SUCCEEDED")
    wait_for(cloud, "held-1", held)
    assert state(cloud, "held-1") == held
    cloud.admin.release(rule)
    wait_for(cloud, "held-1", "SUCCEEDED")


def test_a_step_can_be_delayed(cloud: LocalCloud):
    cloud.admin.hold("scheduled", delay_seconds=0.3)
    submit(cloud, "slow")
    wait_for(cloud, "slow", "SUCCEEDED")
    (job,) = cloud.admin.jobs()
    events = cloud.admin.job(job["uid"])["events"]
    assert events[0]["at"] > job["created_at"]
    with pytest.raises(LocalCloudFailed, match="404"):
        cloud.admin.release(99)


def test_a_rule_may_say_what_keeps_a_job_which_tells_all_that_has_kept_it(cloud: LocalCloud):
    def told() -> list[str]:
        _, job = ask(cloud, "GET", f"{JOBS}/held")
        return [event["type"] for event in job["status"].get("statusEvents", [])]

    first = cloud.admin.hold("scheduled", job="*/jobs/held", reason="quota")
    cloud.admin.hold("scheduled", job="*/jobs/held", reason="zone_exhausted")
    submit(cloud, "held")
    submit(cloud, "free")
    wait_for(cloud, "free", "SUCCEEDED")
    assert told() == ["OPERATIONAL_INFO"]
    cloud.admin.release(first)
    while len(told()) == 1:
        pass
    cloud.admin.release()
    wait_for(cloud, "held", "SUCCEEDED")
    assert told()[:3] == ["OPERATIONAL_INFO", "OPERATIONAL_INFO", "STATUS_CHANGED"]


@pytest.mark.parametrize(
    ("rule", "fitting"),
    [
        ({"stage": "scheduled", "reason": "qota"}, "quota,"),
        ({"stage": "finished", "reason": "quota"}, "has: none"),
        ({"stage": "scheduled", "reason": "quota", "dialect": "aws_*"}, "has: none"),
    ],
)
def test_a_reason_that_no_service_can_tell_is_refused_with_those_that_fit(
    cloud: LocalCloud, rule: dict[str, str], fitting: str
):
    with pytest.raises(LocalCloudFailed, match=f"422 .*reason.*{fitting}"):
        cloud.admin.hold(**rule)


def test_a_job_can_be_cancelled_and_its_tasks_interrupted_from_outside(cloud: LocalCloud):
    job = submit(cloud, "a", "sleep 60", taskCount="2")
    wait_for(cloud, "a", "RUNNING")
    cloud.admin.interrupt(job["uid"], 1, reason="preempted")
    while ask(cloud, "GET", f"{JOBS}/a")[1]["status"]["taskGroups"]["group0"]["counts"].get("FAILED") != "1":
        pass
    with pytest.raises(LocalCloudFailed, match="409"):
        cloud.admin.interrupt(job["uid"], 1, reason="preempted")
    cloud.admin.cancel(job["uid"])
    assert state(cloud, "a") == "CANCELLED"


BAD_RULES = [
    ("/faults", {"method": "GetJob"}),
    ("/faults", {"delay_seconds": -1}),
    ("/faults", {"error": {"code": "UNAVAILABLE"}, "drop_answer": "reset"}),
    ("/faults", {"delay_seconds": 1, "unknown": 1}),
    ("/progress", {"stage": "no such stage"}),
    ("/progress", {"stage": "running", "delay_seconds": -1}),
]


@pytest.mark.parametrize(("path", "rule"), BAD_RULES)
def test_a_rule_that_makes_no_sense_is_refused(cloud: LocalCloud, path: str, rule: dict[str, Any]):
    with pytest.raises(LocalCloudFailed, match="422"):
        cloud.admin.call("POST", path, rule)


def test_reset_forgets_everything(cloud: LocalCloud):
    submit(cloud, "a", "sleep 60")
    cloud.admin.add_fault(method="GetJob", error={"code": "INTERNAL"})
    cloud.admin.hold("running")
    cloud.admin.set_log_delay(9, one_in=2)
    cloud.admin.reset()
    assert cloud.admin.jobs() == []
    assert cloud.admin.call("GET", "/faults") == []
    assert cloud.admin.call("GET", "/progress") == []
    assert cloud.admin.call("GET", "/logs") == {"delay_seconds": 0.0, "one_in": 1, "lines": 0}
    assert cloud.admin.counters() == {}
    submit(cloud, "a")


def test_lines_can_be_written_that_no_process_writes(cloud: LocalCloud):
    submit(cloud, "a", "sleep 60")
    [job] = cloud.admin.jobs()
    cloud.admin.write_lines(
        [{"job": job["uid"], "text": "one"}, {"job": job["uid"], "text": "two", "stream": "stderr"}]
    )
    query = {"resourceNames": ["projects/p"], "filter": f'labels.job_uid="{job["uid"]}" AND textPayload:*'}
    body = {"Content-Type": "application/json"}
    _, answer = ask(cloud, "POST", "/v2/entries:list", query, **body)
    written = [(each["textPayload"], each["severity"]) for each in answer["entries"]]
    assert [each for each in written if each[0] in ("one", "two")] == [("one", "INFO"), ("two", "ERROR")]
    with pytest.raises(LocalCloudFailed, match="404"):
        cloud.admin.write_lines([{"job": job["uid"], "index": 7, "text": "x"}])


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://example.com"}, {"Host": "example.com"}, {"Host": "rebound.example:80"}]
)
@pytest.mark.parametrize("path", ["/_admin/health", JOBS])
def test_no_web_page_may_use_it(cloud: LocalCloud, headers: dict[str, str], path: str):
    status, _ = ask(cloud, "GET", path, **headers)
    assert status == 403


@pytest.mark.parametrize("host", ["localhost", "us-central1-run.localhost", "run.localhost:80"])
def test_every_name_below_localhost_is_this_machine(cloud: LocalCloud, host: str):
    assert ask(cloud, "GET", "/_admin/health", Host=host)[0] == 200


def test_a_client_may_take_it_for_its_proxy(cloud: LocalCloud):
    submit(cloud, "a")
    health = "http://us-central1-run.localhost/_admin/health"
    assert ask(cloud, "GET", health, Host="us-central1-run.localhost")[0] == 200
    status, found = ask(cloud, "GET", f"http://run.localhost{JOBS}?pageSize=1", Host="run.localhost")
    assert (status, len(found["jobs"])) == (200, 1)
    assert ask(cloud, "GET", "http://example.com/_admin/health", Host="example.com")[0] == 403


def test_an_address_of_no_service_is_not_found(cloud: LocalCloud):
    assert ask(cloud, "GET", "/v1/no/such/thing")[0] == 404
    assert ask(cloud, "PATCH", f"{JOBS}/a")[0] == 404


def test_the_server_tells_what_its_own_process_takes(cloud: LocalCloud):
    before = cloud.admin.process()
    for number in range(20):
        submit(cloud, f"j{number}", "sleep 600")
    after = cloud.admin.process()
    assert after["cpu_seconds"] == pytest.approx(after["user_seconds"] + after["system_seconds"])
    assert after["cpu_seconds"] >= before["cpu_seconds"] > 0
    assert after["at"] > before["at"]
    assert after["memory_bytes"] > 1 << 20
    assert 0 < after["threads"] < 50
    # Nobody is counted for having looked.
    assert list(cloud.admin.counters()) == ["google.cloud.batch.v1.BatchService/CreateJob"]


def test_a_list_of_jobs_tells_when_each_of_them_ended(cloud: LocalCloud):
    submit(cloud, "done")
    submit(cloud, "busy", "sleep 600")
    wait_for(cloud, "done", "SUCCEEDED")
    wait_for(cloud, "busy", "RUNNING")
    ended = {job["name"].rpartition("/")[2]: job["ended_at"] for job in cloud.admin.jobs()}
    assert ended["busy"] is None
    events = ask(cloud, "GET", f"{JOBS}/done")[1]["status"]["statusEvents"]
    assert pendulum.parse(ended["done"]) == pendulum.parse(events[-1]["eventTime"])
