"""Denied, throttled, broken, lost: what a test can ask for, and how calls are counted."""

from __future__ import annotations

import pytest
from kubernetes import client
from urllib3.exceptions import ProtocolError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.kubernetes.emulator.conftest import JOBS, PODS, Kube, job, pod


class TestDenials:
    def test_a_fault_rule_denies_one_verb_on_one_resource(self, cloud: LocalCloud, kube: Kube):
        cloud.admin.add_fault(method="kubernetes/watch pods", error={"code": 403})
        status = kube.error("GET", PODS, watch="true", headers={"Authorization": "Bearer x"})
        assert (status["code"], status["reason"]) == (403, "Forbidden")
        assert status["message"] == (
            'pods is forbidden: User "system:serviceaccount:default:airflow" cannot watch resource "pods" '
            'in API group "" in the namespace "default"'
        )
        assert status["details"] == {"kind": "pods"}
        assert kube.pods() == []

    def test_a_subresource_is_denied_by_its_own_name(self, cloud: LocalCloud, kube: Kube):
        cloud.admin.add_fault(method="kubernetes/get pods/log", error={"code": "Forbidden"})
        kube.run_pod(pod())
        status = kube.error("GET", f"{PODS}/pod/log")
        assert 'pods "pod" is forbidden' in status["message"]
        assert 'cannot get resource "pods/log"' in status["message"]

    @pytest.mark.parametrize(
        ("code", "status", "reason"),
        [
            (429, 429, "TooManyRequests"),
            ("TooManyRequests", 429, "TooManyRequests"),
            (500, 500, "InternalError"),
            (503, 503, "ServiceUnavailable"),
            (401, 401, "Unauthorized"),
            ("Timeout", 504, "Timeout"),
            ("Expired", 410, "Expired"),
        ],
    )
    def test_an_error_can_be_asked_for_by_word_or_number(
        self, cloud: LocalCloud, kube: Kube, code: object, status: int, reason: str
    ):
        cloud.admin.add_fault(method="kubernetes/list jobs", error={"code": code}, times=1)
        refusal = kube.error("GET", JOBS)
        assert (refusal["code"], refusal["reason"]) == (status, reason)
        assert kube.call("GET", JOBS)["items"] == []

    def test_an_overload_says_when_to_come_again(self, cloud: LocalCloud, kube: Kube):
        cloud.admin.add_fault(method="list jobs", error={"code": 429})
        with pytest.raises(client.ApiException) as raised:
            kube.batch.list_namespaced_job("default")
        assert raised.value.headers["Retry-After"] == "1"

    def test_an_answer_can_be_lost_after_the_work(self, cloud: LocalCloud, kube: Kube):
        cloud.admin.add_fault(method="kubernetes/create jobs", drop_answer="reset", times=1)
        with pytest.raises(ProtocolError):
            kube.create(job())
        assert kube.job()["metadata"]["name"] == "work"

    def test_calls_are_counted_by_verb_and_resource(self, cloud: LocalCloud, kube: Kube):
        kube.run_pod(pod())
        kube.log("pod")
        kube.error("GET", f"{JOBS}/nosuch")
        counters = cloud.admin.counters()
        assert cloud.admin.calls("kubernetes/create pods") == 1
        assert cloud.admin.calls("kubernetes/get pods/log") == 1
        assert counters["kubernetes/get jobs"]["outcomes"] == {"NotFound": 1}
