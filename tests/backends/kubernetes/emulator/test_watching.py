"""Lists, their pages and watches: one story, told by resource versions."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
import urllib3
from kubernetes import client, watch

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.kubernetes.emulator.conftest import Kube, conditions, indexed, job, pod

MAPS = "/api/v1/namespaces/default/configmaps"


def config(name: str, **labels: str) -> dict:
    return {"metadata": {"name": name, "labels": labels}, "data": {}}


def names(listed: dict) -> list[str]:
    return [each["metadata"]["name"] for each in listed["items"]]


@pytest.fixture
def maps(kube: Kube) -> Kube:
    """Ten objects of one kind, beside the one that every namespace has."""
    for number in range(10):
        kube.call(
            "POST", MAPS, config(f"m{number}", parity="odd" if number % 2 else "even", number=str(number))
        )
    return kube


def lines(cloud: LocalCloud, path: str, **query: object) -> Iterator[dict]:
    """The events of a watch as they were on the wire; the watch ends by itself."""
    fields = {"watch": "1", "timeoutSeconds": "1", **{key: str(value) for key, value in query.items()}}
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", cloud.http + path, fields=fields, preload_content=False)
        for line in b"".join(answer.stream()).splitlines():
            yield json.loads(line)


class TestLists:
    def test_a_list_tells_its_version_and_its_items_do_not_repeat_their_kind(self, maps: Kube):
        listed = maps.call("GET", MAPS)
        assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
        assert int(listed["metadata"]["resourceVersion"]) > 0
        assert all("kind" not in each for each in listed["items"])
        assert names(listed) == sorted(names(listed))

    @pytest.mark.parametrize(
        ("selector", "found"),
        [
            ("number=3", [3]),
            ("number==3", [3]),
            ("parity=odd,number!=1", [3, 5, 7, 9]),
            ("number in (1, 2),parity", [1, 2]),
            ("parity,number notin (0,1,2,3,4,5,6,7)", [8, 9]),
            ("number>7", [8, 9]),
            ("parity,!missing,number<2", [0, 1]),
        ],
    )
    def test_labels_select(self, maps: Kube, selector: str, found: list[int]):
        assert names(maps.call("GET", MAPS, labelSelector=selector)) == [f"m{number}" for number in found]

    @pytest.mark.parametrize(
        ("selector", "message"),
        [
            ("a===", "unable to parse requirement: found '=', expected: identifier"),
            ("a in b", "unable to parse requirement: found 'b', expected: '('"),
            ("=a", "unable to parse requirement: found '=', expected: !, identifier, or 'end of string'"),
        ],
    )
    def test_a_selector_that_cannot_be_read_is_refused(self, kube: Kube, selector: str, message: str):
        refusal = kube.error("GET", MAPS, labelSelector=selector)
        assert (refusal["code"], refusal["message"]) == (400, message)

    def test_fields_select(self, kube: Kube):
        kube.run_pod(pod("exit 0", name="good"))
        kube.run_pod(pod("exit 1", name="bad"))
        path = "/api/v1/namespaces/default/pods"
        assert names(kube.call("GET", path, fieldSelector="status.phase=Failed")) == ["bad"]
        assert names(kube.call("GET", path, fieldSelector="metadata.name=good")) == ["good"]
        assert names(kube.call("GET", "/api/v1/pods", fieldSelector="status.phase!=Failed")) == ["good"]

    def test_an_unknown_field_is_refused(self, kube: Kube):
        refusal = kube.error("GET", "/api/v1/pods", fieldSelector="spec.colour=green")
        assert refusal["message"] == "field label not supported: spec.colour"
        refusal = kube.error("GET", "/apis/batch/v1/jobs", fieldSelector="spec.colour=green")
        assert refusal["message"] == 'field label "spec.colour" not supported for Job'

    def test_pages_show_the_list_as_it_was_at_the_first(self, maps: Kube):
        first = maps.call("GET", MAPS, limit=4)
        assert len(first["items"]) == 4
        assert first["metadata"]["remainingItemCount"] == 7
        maps.call("DELETE", f"{MAPS}/m9")
        second = maps.call("GET", MAPS, limit=4, **{"continue": first["metadata"]["continue"]})
        third = maps.call("GET", MAPS, limit=4, **{"continue": second["metadata"]["continue"]})
        assert "m9" in names(third)
        assert "continue" not in third["metadata"]
        assert len({*names(first), *names(second), *names(third)}) == 11
        assert first["metadata"]["resourceVersion"] == third["metadata"]["resourceVersion"]

    def test_an_old_page_is_gone(self, cloud: LocalCloud, maps: Kube):
        token = maps.call("GET", MAPS, limit=4)["metadata"]["continue"]
        cloud.admin.call("POST", "/kubernetes/compact")
        refusal = maps.error("GET", MAPS, limit=4, **{"continue": token})
        assert (refusal["code"], refusal["reason"]) == (410, "Expired")

    def test_a_version_of_the_future_is_too_large(self, kube: Kube):
        refusal = kube.error("GET", MAPS, resourceVersion=10**9)
        assert refusal["message"].startswith("Too large resource version")

    def test_all_namespaces_are_listed_together(self, kube: Kube):
        listed = kube.call("GET", "/api/v1/configmaps")
        assert {each["metadata"]["namespace"] for each in listed["items"]} >= {"default", "kube-system"}


class TestWatches:
    def test_a_watch_follows_where_the_list_ended(self, cloud: LocalCloud, maps: Kube):
        version = maps.call("GET", MAPS)["metadata"]["resourceVersion"]
        maps.call("POST", MAPS, config("new"))
        maps.call("PATCH", f"{MAPS}/new", {"data": {"a": "1"}}, content_type="application/merge-patch+json")
        maps.call("DELETE", f"{MAPS}/new")
        found = list(lines(cloud, MAPS, resourceVersion=version))
        assert [event["type"] for event in found] == ["ADDED", "MODIFIED", "DELETED"]
        versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in found]
        assert versions == sorted(versions)
        assert found[0]["object"]["kind"] == "ConfigMap"

    @pytest.mark.parametrize("version", ["", "0"])
    def test_without_a_version_it_begins_with_what_is_there(
        self, cloud: LocalCloud, maps: Kube, version: str
    ):
        found = list(lines(cloud, MAPS, labelSelector="parity=odd", resourceVersion=version))
        assert {event["type"] for event in found} == {"ADDED"}
        assert len(found) == 5

    def test_what_stops_matching_is_told_as_deleted(self, cloud: LocalCloud, maps: Kube):
        version = maps.call("GET", MAPS)["metadata"]["resourceVersion"]
        patch = {"metadata": {"labels": {"parity": "none"}}}
        maps.call("PATCH", f"{MAPS}/m1", patch, content_type="application/merge-patch+json")
        patch = {"metadata": {"labels": {"parity": "odd"}}}
        maps.call("PATCH", f"{MAPS}/m2", patch, content_type="application/merge-patch+json")
        found = list(lines(cloud, MAPS, resourceVersion=version, labelSelector="parity=odd"))
        told = [(event["type"], event["object"]["metadata"]["name"]) for event in found]
        assert told == [("DELETED", "m1"), ("ADDED", "m2")]
        # As it was when it still matched, with the version of the change.
        left, now = found[0]["object"]["metadata"], maps.call("GET", f"{MAPS}/m1")["metadata"]
        assert left["labels"]["parity"] == "odd"
        assert left["resourceVersion"] == now["resourceVersion"]

    def test_bookmarks_tell_how_far_it_has_come(self, cloud: LocalCloud, maps: Kube):
        found = list(lines(cloud, MAPS, allowWatchBookmarks="true", labelSelector="parity=odd"))
        last = found[-1]
        assert last["type"] == "BOOKMARK"
        assert last["object"]["kind"] == "ConfigMap"
        assert (
            last["object"]["metadata"]["resourceVersion"]
            == maps.call("GET", MAPS)["metadata"]["resourceVersion"]
        )

    def test_a_streamed_list_ends_with_a_bookmark(self, cloud: LocalCloud, maps: Kube):
        query = {
            "sendInitialEvents": "true",
            "allowWatchBookmarks": "true",
            "resourceVersionMatch": "NotOlderThan",
        }
        found = list(lines(cloud, MAPS, **query))
        marked = next(event for event in found if event["type"] == "BOOKMARK")
        assert marked["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert found.index(marked) == 11

    def test_a_version_that_is_too_old_is_an_error_inside_the_stream(self, cloud: LocalCloud, maps: Kube):
        version = maps.call("GET", MAPS)["metadata"]["resourceVersion"]
        maps.call("POST", MAPS, config("new"))
        cloud.admin.call("POST", "/kubernetes/compact")
        [event] = lines(cloud, MAPS, resourceVersion=version)
        assert event["type"] == "ERROR"
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")

    def test_a_version_of_the_future_is_waited_for(self, cloud: LocalCloud, maps: Kube):
        version = int(maps.call("GET", MAPS)["metadata"]["resourceVersion"])
        assert list(lines(cloud, MAPS, resourceVersion=version + 1000)) == []
        refusal = maps.error("GET", MAPS, watch="1", resourceVersion="now")
        assert refusal["code"] == 400

    def test_one_object_can_be_watched_by_its_path(self, cloud: LocalCloud, maps: Kube):
        found = list(lines(cloud, f"{MAPS}/m3"))
        assert [event["object"]["metadata"]["name"] for event in found] == ["m3"]

    def test_the_official_watch_sees_a_job_through(self, kube: Kube):
        kube.create(indexed("sleep 0.2", completions=2))
        seen = []
        stream = watch.Watch().stream(kube.batch.list_namespaced_job, "default", timeout_seconds=20)
        for event in stream:
            seen.append(event["raw_object"])
            if "Complete" in conditions(seen[-1]):
                break
        assert seen[0]["metadata"]["name"] == "work"
        versions = [int(each["metadata"]["resourceVersion"]) for each in seen]
        assert versions == sorted(versions)

    def test_a_watch_hears_of_what_happens_while_it_waits(self, cloud: LocalCloud, kube: Kube):
        heard: list[dict] = []
        reader = threading.Thread(target=lambda: heard.extend(lines(cloud, MAPS, timeoutSeconds=2)))
        reader.start()
        kube.call("POST", MAPS, config("while-it-waits"))
        reader.join()
        assert "while-it-waits" in [event["object"]["metadata"]["name"] for event in heard]

    def test_the_official_client_tells_an_old_version_as_410(self, cloud: LocalCloud, kube: Kube):
        kube.create(job())
        kube.end()
        cloud.admin.call("POST", "/kubernetes/compact")
        stream = watch.Watch().stream(
            kube.batch.list_namespaced_job, "default", resource_version="1", timeout_seconds=5
        )
        with pytest.raises(client.ApiException) as raised:
            next(stream)
        assert raised.value.status == 410
