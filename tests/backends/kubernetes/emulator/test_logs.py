"""Logs of pods: what can be read, from where, and what is answered when there is nothing to read."""

from __future__ import annotations

import re
import threading

import pytest

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.kubernetes.emulator.conftest import Kube, container, pod, until
from tests.backends.kubernetes.emulator.test_pods import GATE, waiting

LOG = "/api/v1/namespaces/default/pods/pod/log"


def test_both_streams_are_one_log(kube: Kube):
    kube.run_pod(pod("echo out; sleep 0.05; echo err >&2; sleep 0.05; echo end"))
    assert kube.log("pod") == "out\nerr\nend\n"


def test_a_line_without_an_end_is_a_line(kube: Kube):
    kube.run_pod(pod("printf unfinished"))
    assert kube.log("pod") == "unfinished\n"


def test_the_last_lines_alone(kube: Kube):
    kube.run_pod(pod("seq 1 9"))
    assert kube.log("pod", tail_lines=2) == "8\n9\n"
    assert kube.log("pod", tail_lines=0) == ""
    assert kube.log("pod", tail_lines=100) == kube.log("pod")


def test_timestamps_have_nanoseconds_and_rise(kube: Kube):
    kube.run_pod(pod("seq 1 5"))
    told = kube.log("pod", timestamps=True).splitlines()
    stamps = [re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) \d", line) for line in told]
    assert all(stamps)
    assert [match[1] for match in stamps if match] == sorted(match[1] for match in stamps if match)


def test_a_log_can_be_read_from_a_time_on(kube: Kube):
    kube.run_pod(pod("echo early; sleep 1.2; echo late"))
    stamped = kube.log("pod", timestamps=True).splitlines()
    second = stamped[1].partition(" ")[0]
    assert kube.call_text(LOG, sinceTime=second[:19] + "Z") == "late\n"
    assert kube.log("pod", since_seconds=3600) == "early\nlate\n"


def test_parts_of_a_second_are_ignored(kube: Kube):
    kube.run_pod(pod("echo line"))
    stamp = kube.log("pod", timestamps=True).partition(" ")[0]
    assert kube.call_text(LOG, sinceTime=f"{stamp[:19]}.999999999Z") == "line\n"


def test_so_many_bytes_and_no_more(kube: Kube):
    kube.run_pod(pod("echo 0123456789"))
    assert kube.log("pod", limit_bytes=4) == "0123"
    assert kube.log("pod", limit_bytes=4, follow=True) == "0123"


def test_one_stream_alone(kube: Kube):
    kube.run_pod(pod("echo out; echo err >&2"))
    assert kube.log("pod", stream="Stderr") == "err\n"


def test_following_ends_with_the_container_and_misses_nothing(kube: Kube, tmp_path):
    gate = tmp_path / "gate"
    kube.create_pod(pod(f"seq 1 50; {GATE.format(gate=gate)}; seq 51 100"))
    kube.until_pod(lambda found: found["status"]["phase"] == "Running")
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(kube.log("pod", follow=True)))
    reader.start()
    until(lambda: kube.log("pod"), lambda told: "50" in told)
    gate.touch()
    reader.join()
    assert heard[0].splitlines() == [str(number) for number in range(1, 101)]


def test_following_from_the_end_tells_only_what_comes(kube: Kube, tmp_path):
    gate = tmp_path / "gate"
    kube.create_pod(pod(f"seq 1 5; {GATE.format(gate=gate)}; echo new"))
    until(lambda: kube.pod("pod")["status"]["phase"], lambda phase: phase == "Running")
    until(lambda: kube.log("pod"), lambda told: "5" in told)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(kube.log("pod", follow=True, tail_lines=1)))
    reader.start()
    gate.touch()
    reader.join()
    assert heard[0] in ("5\nnew\n", "new\n")


def test_lines_that_are_late_hold_back_those_after_them(cloud: LocalCloud, kube: Kube):
    cloud.admin.set_log_delay(3600, one_in=3)
    kube.run_pod(pod("seq 1 9"))
    told = kube.log("pod").splitlines()
    assert told == [str(number) for number in range(1, len(told) + 1)]
    assert len(told) < 3


def test_a_long_line_stays_one_line(kube: Kube):
    kube.run_pod(pod("head -c 600000 /dev/zero | tr '\\\\0' x; echo; echo end"))
    first, second = kube.log("pod").splitlines()
    assert (len(first), second) == (600000, "end")


def test_each_of_several_containers_has_its_own_log(kube: Kube):
    kube.run_pod(pod(containers=[container("echo a", name="a"), container("echo b", name="b")]))
    assert kube.log("pod", container="b") == "b\n"


def test_the_run_before_can_be_read(cloud: LocalCloud, kube: Kube, tmp_path):
    marker = tmp_path / "marker"
    script = f"echo run >> {marker}; wc -l < {marker}; [ $(wc -l < {marker}) = 2 ] || exit 1"
    kube.run_pod(pod(script, restartPolicy="OnFailure"))
    assert kube.log("pod").strip() == "2"
    assert kube.log("pod", previous=True).strip() == "1"


def test_between_two_runs_the_log_is_that_of_the_last(cloud: LocalCloud, kube: Kube):
    cloud.admin.call("PUT", "/kubernetes/settings", {"backoff_scale": 1.0})
    kube.create_pod(pod("echo said; exit 1", restartPolicy="OnFailure"))
    kube.until_pod(lambda found: waiting(found).get("reason") == "CrashLoopBackOff")
    assert kube.log("pod") == kube.log("pod", previous=True) == "said\n"


class TestRefusals:
    def test_a_pod_without_a_node_has_no_content(self, kube: Kube):
        kube.create_pod(pod(nodeSelector={"a": "b"}))
        answer = kube.core.read_namespaced_pod_log("pod", "default", _preload_content=False)
        assert (answer.status, answer.data) == (204, b"")

    def test_a_pod_that_is_not_there(self, kube: Kube):
        refusal = kube.error("GET", LOG)
        assert (refusal["code"], refusal["message"]) == (404, 'pods "pod" not found')

    def test_one_of_several_containers_must_be_named(self, kube: Kube):
        both = [container(name="a"), container(name="b")]
        kube.run_pod(pod(containers=both, initContainers=[container(name="i")]))
        assert kube.error("GET", LOG)["message"] == (
            "a container name must be specified for pod pod, choose one of: [a b] or one of the init "
            "containers: [i]"
        )

    def test_a_container_that_is_not_there(self, kube: Kube):
        kube.run_pod(pod())
        assert kube.error("GET", LOG, container="x")["message"] == "container x is not valid for pod pod"

    @pytest.mark.parametrize(
        ("image", "reason", "told"),
        [
            ("Not An Image", "InvalidImageName", "InvalidImageName"),
            ("missing.invalid/a", "ImagePullBackOff", "trying and failing to pull image"),
        ],
    )
    def test_a_container_that_waits(self, kube: Kube, image: str, reason: str, told: str):
        kube.create_pod(pod(containers=[container(image=image)]))
        kube.until_pod(lambda found: waiting(found).get("reason") == reason)
        refusal = kube.error("GET", LOG)
        assert refusal["code"] == 400
        assert refusal["message"] == f'container "main" in pod "pod" is waiting to start: {told}'

    def test_there_was_no_run_before(self, kube: Kube):
        kube.run_pod(pod())
        refusal = kube.error("GET", LOG, previous="true")
        assert refusal["message"] == 'previous terminated container "main" in pod "pod" not found'

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ({"tailLines": -1}, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
            ({"sinceSeconds": 0}, "sinceSeconds: Invalid value: 0: must be greater than 0"),
            ({"limitBytes": 0}, "limitBytes: Invalid value: 0: must be greater than 0"),
        ],
    )
    def test_options_that_make_no_sense(self, kube: Kube, query: dict, told: str):
        kube.run_pod(pod())
        refusal = kube.error("GET", LOG, **query)
        assert refusal["code"] == 422
        assert refusal["message"] == f'PodLogOptions "" is invalid: {told}'
