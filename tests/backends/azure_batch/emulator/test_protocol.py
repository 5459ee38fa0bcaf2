"""What the service's answers look like on the wire, as real ones were recorded."""

from __future__ import annotations

import re

import httpx
import pytest

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z")
JOB = {"id": "job", "poolInfo": {"poolId": "default"}}
TASK = {"id": "t", "commandLine": "true"}


def test_a_job_is_made_without_a_body_and_located_as_the_services_own_first_run(wire: httpx.Client):
    answer = wire.post("/jobs", json=JOB)
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["DataServiceId"] == answer.headers["Location"] == f"{wire.base_url}/jobs/job-1"
    assert re.fullmatch(r"0x8D[0-9A-F]{13}", answer.headers["ETag"])
    assert answer.headers["Last-Modified"].endswith("GMT")
    assert answer.headers["DataServiceVersion"] == "3.0"


def test_a_request_has_an_id_and_gives_the_callers_back_when_asked(wire: httpx.Client):
    assert "client-request-id" not in wire.get("/jobs").headers
    answer = wire.get("/jobs", headers={"return-client-request-id": "true"})
    assert answer.headers["client-request-id"] == "c"
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["request-id"])


def test_a_new_job_reads_as_the_service_fills_it_in(wire: httpx.Client):
    version = wire.post("/jobs", json=JOB).headers["ETag"]
    answer = wire.get("/jobs/job")
    body = answer.json()
    assert answer.headers["Content-Type"] == "application/json; odata=minimalmetadata"
    assert answer.headers["ETag"] == body["eTag"] == version
    times = [body.pop(name) for name in ("lastModified", "creationTime", "stateTransitionTime")]
    times.append(body["executionInfo"].pop("startTime"))
    assert all(TIME.fullmatch(time) for time in times)
    assert body == {
        "odata.metadata": f"{wire.base_url}/$metadata#jobs/@Element",
        "id": "job",
        "url": f"{wire.base_url}/jobs/job",
        "eTag": version,
        "state": "active",
        "priority": 0,
        "maxParallelTasks": -1,
        "usesTaskDependencies": False,
        "allowTaskPreemption": False,
        "constraints": {"maxWallClockTime": "P10675199DT2H48M5.4775807S", "maxTaskRetryCount": 0},
        "poolInfo": {"poolId": "default"},
        "executionInfo": {"poolId": "default"},
        "onAllTasksComplete": "noaction",
        "onTaskFailure": "noaction",
    }


def test_the_entity_tag_counts_the_ticks_of_the_last_change(wire: httpx.Client):
    """Ticks of 100 ns since year 1: 0x8DE59FF41C02215 was answered for 2026-01-22T21:43:18.7832341Z."""
    import pendulum

    from airflow_provider_jobs.backends.azure_batch.emulator.wire import etag

    assert etag(pendulum.datetime(2026, 1, 22, 21, 43, 18, tz="UTC").add(microseconds=783234)) == (
        f"0x{0x8DE59FF41C02215 - 1:X}"
    )


def test_the_defaults_of_preparation_and_release_tasks_are_filled_in(wire: httpx.Client):
    wire.post(
        "/jobs",
        json={
            **JOB,
            "jobPreparationTask": {"commandLine": "true"},
            "jobReleaseTask": {"commandLine": "true"},
        },
    )
    body = wire.get("/jobs/job").json()
    user = {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}
    assert body["jobPreparationTask"] == {
        "id": "jobpreparation",
        "commandLine": "true",
        "constraints": {
            "maxWallClockTime": "P10675199DT2H48M5.4775807S",
            "retentionTime": "P7D",
            "maxTaskRetryCount": 0,
        },
        "userIdentity": user,
        "waitForSuccess": True,
        "rerunOnNodeRebootAfterSuccess": True,
    }
    assert body["jobReleaseTask"] == {
        "id": "jobrelease",
        "commandLine": "true",
        "maxWallClockTime": "PT15M",
        "retentionTime": "P7D",
        "userIdentity": user,
    }


def test_a_new_task_reads_as_the_service_fills_it_in(wire: httpx.Client):
    wire.post("/jobs", json={**JOB, "poolInfo": {"poolId": "missing"}})
    made = wire.post("/jobs/job/tasks", json=TASK)
    assert (made.status_code, made.content) == (201, b"")
    assert made.headers["Location"] == made.headers["DataServiceId"] == f"{wire.base_url}/jobs/job/tasks/t"
    body = wire.get("/jobs/job/tasks/t").json()
    for name in ("lastModified", "creationTime", "stateTransitionTime"):
        assert TIME.fullmatch(body.pop(name))
    assert body == {
        "odata.metadata": f"{wire.base_url}/$metadata#tasks/@Element",
        "id": "t",
        "url": f"{wire.base_url}/jobs/job/tasks/t",
        "eTag": made.headers["ETag"],
        "state": "active",
        "commandLine": "true",
        "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}},
        "constraints": {
            "maxWallClockTime": "P10675199DT2H48M5.4775807S",
            "retentionTime": "P7D",
            "maxTaskRetryCount": 0,
        },
        "requiredSlots": 1,
        "executionInfo": {"retryCount": 0, "requeueCount": 0},
    }


def test_a_new_pool_reads_as_the_service_fills_it_in(wire: httpx.Client):
    image = {"publisher": "canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts"}
    machines = {"imageReference": image, "nodeAgentSKUId": "batch.node.ubuntu 22.04"}
    pool = {"id": "p", "vmSize": "STANDARD_D1_v2", "virtualMachineConfiguration": machines}
    made = wire.post("/pools", json=pool)
    assert made.headers["Location"] == f"{wire.base_url}/pools/p"
    while (body := wire.get("/pools/p").json())["allocationState"] != "steady":
        continue
    for name in ("lastModified", "creationTime", "stateTransitionTime", "allocationStateTransitionTime"):
        assert TIME.fullmatch(body.pop(name))
    assert body == {
        "odata.metadata": f"{wire.base_url}/$metadata#pools/@Element",
        "id": "p",
        "url": f"{wire.base_url}/pools/p",
        "eTag": made.headers["ETag"],
        "state": "active",
        "allocationState": "steady",
        "vmSize": "standard_d1_v2",
        "resizeTimeout": "PT15M",
        "currentDedicatedNodes": 0,
        "targetDedicatedNodes": 0,
        "currentLowPriorityNodes": 0,
        "targetLowPriorityNodes": 0,
        "enableAutoScale": False,
        "enableInterNodeCommunication": False,
        "taskSlotsPerNode": 1,
        "taskSchedulingPolicy": {"nodeFillType": "Spread", "jobDefaultOrder": "none"},
        "virtualMachineConfiguration": {**machines, "imageReference": {**image, "version": "latest"}},
    }


def test_an_error_names_its_code_the_request_and_the_time(wire: httpx.Client):
    answer = wire.get("/jobs/none")
    body = answer.json()
    assert (answer.status_code, body["code"], body["message"]["lang"]) == (404, "JobNotFound", "en-US")
    assert body["odata.metadata"].endswith(
        "$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"
    )
    sentence, request, time = body["message"]["value"].split("\n")
    assert sentence == "The specified job does not exist."
    assert request == f"RequestId:{answer.headers['request-id']}"
    assert TIME.fullmatch(time.removeprefix("Time:"))


@pytest.mark.parametrize(
    ("verb", "path", "expected"),
    [
        ("GET", "/pools/none", (404, "PoolNotFound")),
        ("GET", "/pools/default/nodes/none", (404, "NodeNotFound")),
        ("GET", "/jobs/none/tasks/t", (404, "JobNotFound")),
        ("GET", "/jobs/job/tasks/none", (404, "TaskNotFound")),
        ("POST", "/jobs/job/tasks/none/terminate", (404, "TaskNotFound")),
        ("DELETE", "/jobs/none", (404, "JobNotFound")),
        ("GET", "/jobs/job/tasks/t/files/none.txt", (404, "FileNotFound")),
        ("GET", "/applications/none", (404, "ApplicationNotFound")),
        ("GET", "/jobschedules/none", (404, "JobScheduleNotFound")),
        ("POST", "/jobschedules", (501, "NotImplemented")),
        ("PUT", "/jobs", (405, "UnsupportedHttpVerb")),
        ("GET", "/jobs/job/nothing", (400, "InvalidUri")),
    ],
)
def test_what_is_not_there_is_refused_in_the_services_words(
    wire: httpx.Client, verb: str, path: str, expected: tuple[int, str]
):
    wire.post("/jobs", json=JOB)
    wire.post("/jobs/job/tasks", json=TASK)
    while wire.get("/jobs/job/tasks/t").json()["state"] != "completed":
        continue
    answer = wire.request(verb, path)
    assert (answer.status_code, answer.json()["code"]) == expected


@pytest.mark.parametrize(
    ("body", "code", "value"),
    [
        ("{", "InvalidRequestBody", "The body is no JSON."),
        ("[]", "InvalidRequestBody", "A JSON object is expected."),
        ({"id": "a"}, "MissingRequiredProperty", "poolInfo"),
        ({"id": "a b", "poolInfo": {"poolId": "p"}}, "InvalidPropertyValue", "a b"),
        ({"id": "a" * 65, "poolInfo": {"poolId": "p"}}, "InvalidPropertyValue", "id"),
        ({"id": "a", "poolInfo": {}}, "InvalidPropertyValue", "poolInfo"),
        ({**JOB, "colour": "red"}, "InvalidRequestBody", "The property 'colour' does not exist on type"),
        ({**JOB, "priority": 1001}, "InvalidPropertyValue", "1001"),
        ({**JOB, "priority": "high"}, "InvalidRequestBody", "priority"),
        ({**JOB, "maxParallelTasks": 0}, "InvalidPropertyValue", "maxParallelTasks"),
        ({**JOB, "constraints": {"maxWallClockTime": "an hour"}}, "InvalidPropertyValue", "an hour"),
        ({**JOB, "onAllTasksComplete": "explode"}, "InvalidPropertyValue", "explode"),
        ({**JOB, "jobReleaseTask": {"commandLine": "x"}}, "InvalidPropertyValue", "jobReleaseTask"),
    ],
)
def test_a_job_that_cannot_be_is_refused_with_the_reason(
    wire: httpx.Client, body: object, code: str, value: str
):
    answer = wire.post("/jobs", content=body) if isinstance(body, str) else wire.post("/jobs", json=body)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (400, code)
    assert any(value in pair["value"] for pair in told["values"])


def test_the_values_of_variables_are_in_no_refusal(wire: httpx.Client):
    wire.post("/jobs", json=JOB)
    settings = [{"name": "", "value": "s3cret"}]
    answer = wire.post("/jobs/job/tasks", json={**TASK, "environmentSettings": settings})
    assert answer.status_code == 400
    assert "s3cret" not in answer.text


def test_changes_are_answered_as_recorded(wire: httpx.Client):
    """Status, and whether the answer has the version and the address of what was done."""
    wire.post("/jobs", json=JOB)
    wire.post("/jobs/job/tasks", json={**TASK, "commandLine": "sleep 60"})

    def told(verb: str, path: str, body: object = None) -> tuple[int, bool, str]:
        answer = wire.request(verb, path, json=body)
        assert answer.content == b""
        place = answer.headers.get("DataServiceId", "").removeprefix(str(wire.base_url))
        return answer.status_code, "ETag" in answer.headers, place

    assert told("PATCH", "/jobs/job", {"priority": 9}) == (200, True, "/jobs/job")
    assert told("PUT", "/jobs/job", {"poolInfo": {"poolId": "default"}}) == (200, True, "/jobs/job")
    assert told("POST", "/jobs/job/tasks/t/terminate") == (204, True, "/jobs/job/tasks/t/terminate")
    while wire.get("/jobs/job/tasks/t").json()["state"] != "completed":
        continue
    assert told("POST", "/jobs/job/tasks/t/reactivate") == (204, True, "")
    assert told("DELETE", "/jobs/job/tasks/t") == (200, False, "")
    assert told("POST", "/jobs/job/disable", {"disableTasks": "requeue"}) == (202, True, "/jobs/job/disable")
    while wire.get("/jobs/job").json()["state"] != "disabled":
        continue
    assert told("POST", "/jobs/job/enable") == (202, True, "/jobs/job/enable")
    assert told("POST", "/jobs/job/terminate", {"terminateReason": "enough"}) == (
        202,
        True,
        "/jobs/job/terminate",
    )
    assert told("DELETE", "/jobs/job") == (202, False, "")


def test_a_collection_tells_of_each_task(wire: httpx.Client):
    wire.post("/jobs", json=JOB)
    tasks = [TASK, {**TASK, "id": "T"}, {"id": "bad"}]
    body = wire.post("/jobs/job/addtaskcollection", json={"value": tasks}).json()
    good, again, bad = body["value"]
    assert body["odata.metadata"].endswith("$metadata#taskaddresult")
    assert (good["status"], good["taskId"], good["location"]) == (
        "Success",
        "t",
        f"{wire.base_url}/jobs/job/tasks/t",
    )
    assert (again["status"], again["error"]["code"]) == ("ClientError", "TaskExists")
    assert (bad["status"], bad["error"]["code"]) == ("ClientError", "MissingRequiredProperty")


def test_a_collection_has_at_most_a_hundred_tasks_and_a_mebibyte(wire: httpx.Client):
    wire.post("/jobs", json=JOB)
    many = [{**TASK, "id": str(number)} for number in range(101)]
    answer = wire.post("/jobs/job/addtaskcollection", json={"value": many})
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidPropertyValue")
    large = [{**TASK, "commandLine": "x" * 1024 * 1024}]
    answer = wire.post("/jobs/job/addtaskcollection", json={"value": large})
    assert (answer.status_code, answer.json()["code"]) == (413, "RequestBodyTooLarge")


@pytest.mark.parametrize("path", ["/jobs/job", "/jobs/job/tasks/t", "/pools/default"])
def test_conditions_on_the_version_are_kept(wire: httpx.Client, path: str):
    wire.post("/jobs", json={**JOB, "poolInfo": {"poolId": "missing"}})
    wire.post("/jobs/job/tasks", json=TASK)
    found = wire.get(path)
    version, modified = found.headers["ETag"], found.headers["Last-Modified"]
    assert wire.get(path, headers={"If-Match": version}).status_code == 200
    assert wire.get(path, headers={"If-Match": "*"}).status_code == 200
    assert wire.get(path, headers={"If-None-Match": version}).status_code == 304
    assert wire.get(path, headers={"If-Modified-Since": modified}).status_code == 304
    wrong = wire.get(path, headers={"If-Match": "0x8D0000000000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (412, "ConditionNotMet")
    early = {"If-Unmodified-Since": "Fri, 17 Feb 2017 00:00:00 GMT"}
    assert wire.delete(path, headers=early).status_code == 412
    assert wire.delete(path, headers={"If-Match": "0x8D0000000000000"}).status_code == 412
    assert wire.get(path).status_code == 200
