"""What can be changed in an object, how, and what cannot."""

from __future__ import annotations

import pytest

from tests.backends.kubernetes.emulator.conftest import JOBS, MERGE, PODS, Kube, causes, container, job, pod


class TestChanges:
    def test_most_of_a_job_is_fixed(self, kube: Kube):
        kube.create(job("sleep 60"))
        status = kube.error("PATCH", f"{JOBS}/work", {"spec": {"completions": 5}}, content_type=MERGE)
        assert causes(status) == [("spec.completions", "Invalid value: 5: field is immutable")]
        patch = {"spec": {"template": {"spec": {"restartPolicy": "OnFailure"}}}}
        status = kube.error("PATCH", f"{JOBS}/work", patch, content_type=MERGE)
        assert dict(causes(status))["spec.template"].endswith("field is immutable")

    def test_the_place_of_a_suspended_job_can_change(self, kube: Kube):
        kube.create(job(suspend=True))
        patch = {"spec": {"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}}
        kube.call("PATCH", f"{JOBS}/work", patch, content_type=MERGE)
        assert kube.job()["spec"]["template"]["spec"]["nodeSelector"] == {"disk": "ssd"}

    def test_a_change_of_an_older_state_is_a_conflict(self, kube: Kube):
        kube.create(job(suspend=True))
        found = kube.until_job(lambda found: found["status"].get("conditions"))
        kube.call("PATCH", f"{JOBS}/work", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
        status = kube.error("PUT", f"{JOBS}/work", found)
        assert (status["code"], status["reason"]) == (409, "Conflict")
        assert status["message"].startswith(
            'Operation cannot be fulfilled on jobs.batch "work": the object has been'
        )

    def test_a_replacement_keeps_what_only_the_server_writes(self, kube: Kube):
        made = kube.create(job(suspend=True))
        wanted = {**made, "spec": {**made["spec"], "parallelism": 3}, "status": {"succeeded": 9}}
        wanted["metadata"] = {key: made["metadata"][key] for key in ("name", "namespace")}
        changed = kube.call("PUT", f"{JOBS}/work", wanted)
        assert changed["metadata"]["uid"] == made["metadata"]["uid"]
        assert changed["metadata"]["generation"] == 2
        assert "succeeded" not in changed["status"]

    def test_a_replacement_without_what_was_generated_is_refused(self, kube: Kube):
        kube.create(job(suspend=True))
        told = causes(kube.error("PUT", f"{JOBS}/work", job(suspend=True)))
        assert ("spec.selector", "Required value") in told

    def test_a_dry_run_changes_nothing(self, kube: Kube):
        made = kube.create(job(), dryRun="All")
        assert made["metadata"]["uid"]
        assert "resourceVersion" not in made["metadata"]
        assert kube.error("GET", f"{JOBS}/work")["code"] == 404

    @pytest.mark.parametrize(
        ("content_type", "patch"),
        [
            (MERGE, {"metadata": {"labels": {"a": None, "b": "2"}}}),
            ("application/strategic-merge-patch+json", {"metadata": {"labels": {"a": None, "b": "2"}}}),
            (
                "application/json-patch+json",
                [
                    {"op": "test", "path": "/metadata/labels/a", "value": "1"},
                    {"op": "remove", "path": "/metadata/labels/a"},
                    {"op": "add", "path": "/metadata/labels/b", "value": "2"},
                ],
            ),
        ],
    )
    def test_there_is_more_than_one_kind_of_patch(self, kube: Kube, content_type: str, patch: object):
        wanted = job(suspend=True)
        wanted["metadata"]["labels"] = {"a": "1"}
        kube.create(wanted)
        kube.call("PATCH", f"{JOBS}/work", patch, content_type=content_type)
        assert kube.job()["metadata"]["labels"] == {"b": "2"}

    def test_lists_of_containers_are_merged_by_name(self, kube: Kube):
        kube.create_pod(
            pod("sleep 60", containers=[container("sleep 60"), container("sleep 60", name="other")])
        )
        patch = {"spec": {"containers": [{"name": "other", "image": "busybox:2"}]}}
        strategic = "application/strategic-merge-patch+json"
        changed = kube.call("PATCH", f"{PODS}/pod", patch, content_type=strategic)
        assert [each["image"] for each in changed["spec"]["containers"]] == ["busybox:1.36", "busybox:2"]

    def test_applying_creates_and_then_changes(self, kube: Kube):
        apply = {"content_type": "application/apply-patch+yaml", "fieldManager": "me"}
        path = "/api/v1/namespaces/default/configmaps/applied"
        head = {"apiVersion": "v1", "kind": "ConfigMap"}
        kube.call("PATCH", path, {**head, "data": {"a": "1"}}, **apply)
        changed = kube.call("PATCH", path, {**head, "data": {"b": "2"}}, **apply)
        assert changed["data"] == {"a": "1", "b": "2"}
        assert changed["metadata"]["name"] == "applied"
