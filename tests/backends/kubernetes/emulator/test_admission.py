"""Why a valid object is refused all the same: accounts, quotas, namespaces."""

from __future__ import annotations

from tests.backends.kubernetes.emulator.conftest import PODS, Kube, container, job, pod, refuse


class TestAdmission:
    def test_an_account_that_is_not_there_keeps_pods_from_being_made(self, kube: Kube):
        kube.create(job(template={"serviceAccountName": "trainer"}))
        kube.until_job(lambda _: any(reason == "FailedCreate" for reason, _ in kube.events("work")))
        message = next(message for reason, message in kube.events("work") if reason == "FailedCreate")
        assert (
            'error looking up service account default/trainer: serviceaccount "trainer" not found' in message
        )
        kube.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "trainer"}})
        assert kube.end()["status"]["succeeded"] == 1

    def test_a_quota_keeps_pods_from_being_made_until_there_is_room(self, kube: Kube):
        quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
        kube.call("POST", "/api/v1/namespaces/default/resourcequotas", quota)
        kube.create(job("sleep 0.5", completions=2, parallelism=2))
        kube.until_job(lambda _: any(reason == "FailedCreate" for reason, _ in kube.events("work")))
        told = next(message for reason, message in kube.events("work") if reason == "FailedCreate")
        assert "is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1" in told
        assert kube.end()["status"]["succeeded"] == 2

    def test_a_quota_of_jobs_refuses_the_job(self, kube: Kube):
        quota = {"metadata": {"name": "few"}, "spec": {"hard": {"count/jobs.batch": "1"}}}
        kube.call("POST", "/api/v1/namespaces/default/resourcequotas", quota)
        kube.create(job("sleep 60"))
        status = refuse(kube, job(name="second"))
        assert (status["code"], status["reason"]) == (403, "Forbidden")
        assert status["message"] == (
            'jobs.batch "second" is forbidden: exceeded quota: few, requested: count/jobs.batch=1, used: '
            "count/jobs.batch=1, limited: count/jobs.batch=1"
        )

    def test_a_quota_of_cpu_wants_to_know_how_much(self, kube: Kube):
        quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.cpu": "2"}}}
        kube.call("POST", "/api/v1/namespaces/default/resourcequotas", quota)
        status = kube.error("POST", PODS, pod())
        assert (
            status["message"]
            == 'pods "pod" is forbidden: failed quota: small: must specify requests.cpu for: main'
        )
        kube.create_pod(pod(containers=[container("sleep 60", resources={"requests": {"cpu": "1500m"}})]))
        wanted = pod(name="other", containers=[container(resources={"requests": {"cpu": "1"}})])
        status = kube.error("POST", PODS, wanted)
        assert (
            "requested: requests.cpu=1, used: requests.cpu=1500m, limited: requests.cpu=2"
            in status["message"]
        )

    def test_what_is_used_of_a_quota_is_told(self, kube: Kube):
        quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "5"}}}
        kube.call("POST", "/api/v1/namespaces/default/resourcequotas", quota)
        kube.create_pod(pod("sleep 60"))
        path = "/api/v1/namespaces/default/resourcequotas/few"
        kube.until_pod(lambda _: kube.call("GET", path).get("status", {}).get("used") == {"pods": "1"})
        assert kube.call("GET", path)["status"]["hard"] == {"pods": "5"}

    def test_a_namespace_goes_with_all_it_holds(self, kube: Kube):
        kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": "ml"}})
        kube.create(job("sleep 60"), namespace="ml")
        answer = kube.call("DELETE", "/api/v1/namespaces/ml")
        assert answer["status"]["phase"] == "Terminating"
        assert kube.error("POST", "/apis/batch/v1/namespaces/ml/jobs", job(name="late"))["code"] in (403, 404)
        spaces = "/api/v1/namespaces"
        kube.create(job())
        kube.until_job(
            lambda _: "ml" not in [each["metadata"]["name"] for each in kube.call("GET", spaces)["items"]]
        )
        assert [
            each["metadata"]["namespace"] for each in kube.call("GET", "/apis/batch/v1/jobs")["items"]
        ] == ["default"]
