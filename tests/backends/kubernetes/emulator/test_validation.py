"""What the server refuses in a new object, with the Status that a cluster answers."""

from __future__ import annotations

import pytest
from kubernetes import client

from tests.backends.kubernetes.emulator.conftest import (
    JOBS,
    MERGE,
    PODS,
    Kube,
    causes,
    container,
    indexed,
    job,
    pod,
    refuse,
)


class TestShapes:
    def test_a_job_that_is_not_there(self, kube: Kube):
        assert kube.error("GET", f"{JOBS}/nosuch") == {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": 'jobs.batch "nosuch" not found', "reason": "NotFound",
            "details": {"name": "nosuch", "group": "batch", "kind": "jobs"}, "code": 404,
        }  # fmt: skip

    def test_a_name_that_is_taken(self, kube: Kube):
        kube.create(job())
        status = refuse(kube, job())
        assert (status["code"], status["reason"]) == (409, "AlreadyExists")
        assert status["message"] == 'jobs.batch "work" already exists'

    def test_a_name_that_is_none(self, kube: Kube):
        status = refuse(kube, job(name="Bad_Name"))
        [(field, message)] = causes(status)
        assert field == "metadata.name"
        assert message.startswith('Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of')
        assert status["message"] == f'Job.batch "Bad_Name" is invalid: metadata.name: {message}'
        assert status["details"]["kind"] == "Job"

    def test_several_causes_are_told_together(self, kube: Kube):
        status = refuse(kube, job(parallelism=-1, backoffLimit=-2))
        told = causes(status)
        assert [field for field, _ in told] == ["spec.parallelism", "spec.backoffLimit"]
        assert status["message"].startswith(
            'Job.batch "work" is invalid: [spec.parallelism: Invalid value: -1'
        )

    def test_a_namespace_that_is_not_there(self, kube: Kube):
        status = kube.error("POST", "/apis/batch/v1/namespaces/nowhere/jobs", job())
        assert (status["code"], status["message"]) == (404, 'namespaces "nowhere" not found')

    def test_another_namespace_than_that_of_the_path(self, kube: Kube):
        wanted = job()
        wanted["metadata"]["namespace"] = "other"
        assert "does not match the namespace sent on the request" in refuse(kube, wanted)["message"]

    def test_another_kind_than_that_of_the_path(self, kube: Kube):
        status = refuse(kube, {**job(), "kind": "CronJob"})
        assert status["code"] == 400
        assert status["message"].startswith('CronJob in version "batch/v1" cannot be handled as a Job')

    def test_no_name_at_all(self, kube: Kube):
        wanted = job()
        wanted["metadata"] = {}
        assert causes(refuse(kube, wanted)) == [
            ("metadata.name", "Required value: name or generateName is required")
        ]

    @pytest.mark.parametrize("path", ["/apis/batch/v2/jobs", "/apis/apps/v1/deployments", "/api/v1/nosuch"])
    def test_a_path_that_leads_nowhere(self, kube: Kube, path: str):
        status = kube.error("GET", path)
        assert (status["code"], status["message"]) == (
            404,
            "the server could not find the requested resource",
        )

    def test_a_verb_that_is_not_allowed(self, kube: Kube):
        status = kube.error("POST", "/apis/batch/v1/jobs", job())
        assert (status["code"], status["reason"]) == (405, "MethodNotAllowed")

    def test_a_body_that_is_no_json(self, kube: Kube):
        with pytest.raises(client.ApiException) as raised:
            kube.call("POST", JOBS, "{", content_type="application/yaml")
        assert raised.value.status == 400

    def test_a_media_type_that_is_unknown(self, kube: Kube):
        with pytest.raises(client.ApiException) as raised:
            kube.call("PATCH", f"{JOBS}/work", "x", content_type="application/zip")
        assert raised.value.status == 415


class TestDecoding:
    def test_a_value_of_the_wrong_type(self, kube: Kube):
        status = refuse(kube, job(parallelism="two"))
        assert (status["code"], status["reason"]) == (400, "BadRequest")
        assert status["message"] == (
            'Job in version "v1" cannot be handled as a Job: json: cannot unmarshal string into Go struct '
            "field JobSpec.spec.parallelism of type int32"
        )

    def test_an_unknown_field_is_refused_where_that_is_wanted(self, kube: Kube):
        wanted = job(template={"containers": [container(imag="x")]}, parallelismm=2)
        status = refuse(kube, wanted, fieldValidation="Strict")
        assert status["code"] == 400
        assert status["message"] == (
            'Job in version "v1" cannot be handled as a Job: strict decoding error: unknown field '
            '"spec.template.spec.containers[0].imag", unknown field "spec.parallelismm"'
        )

    def test_otherwise_it_is_dropped_with_a_warning(self, kube: Kube):
        _, _, headers = kube.batch.create_namespaced_job_with_http_info("default", job(parallelismm=2))
        assert headers["Warning"] == '299 - "unknown field \\"spec.parallelismm\\""'
        assert "parallelismm" not in kube.job()["spec"]

    def test_or_dropped_without_a_word(self, kube: Kube):
        _, _, headers = kube.batch.create_namespaced_job_with_http_info(
            "default", job(parallelismm=2), field_validation="Ignore"
        )
        assert "Warning" not in headers


class TestJobs:
    @pytest.mark.parametrize(
        ("spec", "field", "message"),
        [
            ({"completionMode": "Sometimes"}, "spec.completionMode", 'Unsupported value: "Sometimes"'),
            ({"backoffLimitPerIndex": 1}, "spec.backoffLimitPerIndex", "Invalid value: 1: requires indexed"),
            ({"maxFailedIndexes": 0}, "spec.backoffLimitPerIndex", "Required value: when maxFailedIndexes"),
            ({"successPolicy": {"rules": [{"succeededCount": 1}]}}, "spec.successPolicy", "Invalid value"),
            ({"podReplacementPolicy": "Never"}, "spec.podReplacementPolicy", 'Unsupported value: "Never"'),
            ({"selector": {"matchLabels": {"a": "b"}}}, "spec.selector", "Invalid value"),
            (
                {"ttlSecondsAfterFinished": -1},
                "spec.ttlSecondsAfterFinished",
                "Invalid value: -1: must be greater",
            ),
        ],
    )
    def test_a_spec_that_makes_no_sense(self, kube: Kube, spec: dict, field: str, message: str):
        told = dict(causes(refuse(kube, job(**spec))))
        assert told[field].startswith(message)

    def test_an_index_needs_to_know_how_many_there_are(self, kube: Kube):
        status = refuse(kube, job(completionMode="Indexed", parallelism=2))
        assert causes(status) == [("spec.completions", "Required value: when completion mode is Indexed")]

    def test_names_of_the_pods_must_be_names_of_hosts(self, kube: Kube):
        status = refuse(kube, indexed(completions=100) | {"metadata": {"name": "a" * 61}})
        [(field, message)] = causes(status)
        assert field == "metadata.name"
        assert "will not able to create pod with invalid DNS label" in message
        assert "must be no more than 63 characters" in message

    def test_pods_of_a_job_must_be_able_to_end(self, kube: Kube):
        status = refuse(kube, job(template={"restartPolicy": "Always"}))
        assert causes(status) == [
            ("spec.template.spec.restartPolicy", 'Required value: valid values: "OnFailure", "Never"')
        ]

    @pytest.mark.parametrize(
        ("rule", "field"),
        [
            ({"action": "Explode", "onExitCodes": {"operator": "In", "values": [1]}}, "action"),
            (
                {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0]}},
                "onExitCodes.values[0]",
            ),
            (
                {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [2, 1]}},
                "onExitCodes.values",
            ),
            ({"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}}, "action"),
        ],
    )
    def test_a_pod_failure_policy_that_makes_no_sense(self, kube: Kube, rule: dict, field: str):
        status = refuse(kube, job(podFailurePolicy={"rules": [rule]}))
        assert f"spec.podFailurePolicy.rules[0].{field}" in dict(causes(status))

    def test_a_pod_failure_policy_needs_pods_that_do_not_restart(self, kube: Kube):
        rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}]
        status = refuse(kube, job(podFailurePolicy={"rules": rules}, template={"restartPolicy": "OnFailure"}))
        assert "spec.template.spec.restartPolicy" in dict(causes(status))


class TestPods:
    @pytest.mark.parametrize(
        ("spec", "field"),
        [
            ({"containers": [container(name="Bad_Name")]}, "spec.containers[0].name"),
            ({"containers": [container(), container()]}, "spec.containers[1].name"),
            ({"containers": [{"name": "main"}]}, "spec.containers[0].image"),
            ({"containers": [container(imagePullPolicy="Now")]}, "spec.containers[0].imagePullPolicy"),
            ({"containers": [container(env=[{"name": "a=b"}])]}, "spec.containers[0].env[0].name"),
            (
                {"containers": [container(env=[{"name": "A", "valueFrom": {}}])]},
                "spec.containers[0].env[0].valueFrom",
            ),
            ({"containers": [container(envFrom=[{}])]}, "spec.containers[0].envFrom[0]"),
            (
                {"containers": [container(volumeMounts=[{"name": "v", "mountPath": "/v"}])]},
                "spec.containers[0].volumeMounts[0].name",
            ),
            (
                {"containers": [container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}})]},
                "spec.containers[0].resources.requests",
            ),
            ({"volumes": [{"name": "v"}, {"name": "v"}]}, "spec.volumes[1].name"),
            ({"restartPolicy": "Maybe"}, "spec.restartPolicy"),
            ({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds"),
            ({"nodeSelector": {"a b": "c"}}, "spec.nodeSelector"),
            (
                {"tolerations": [{"key": "k", "operator": "Exists", "value": "v"}]},
                "spec.tolerations[0].operator",
            ),
        ],
    )
    def test_a_spec_that_makes_no_sense(self, kube: Kube, spec: dict, field: str):
        status = kube.error("POST", PODS, pod(**spec))
        assert field in dict(causes(status))

    def test_a_quantity_that_is_none(self, kube: Kube):
        status = kube.error("POST", PODS, pod(containers=[container(resources={"limits": {"cpu": "two"}})]))
        assert status["code"] == 400
        assert "quantities must match the regular expression" in status["message"]

    def test_most_of_a_pod_is_fixed(self, kube: Kube):
        kube.create_pod(pod("sleep 60"))
        patch = {"spec": {"nodeSelector": {"a": "b"}}}
        status = kube.error("PATCH", f"{PODS}/pod", patch, content_type=MERGE)
        [(field, message)] = causes(status)
        assert field == "spec"
        assert message.startswith("Forbidden: pod updates may not change fields other than")
