"""The variables and arguments that a container finds."""

from __future__ import annotations

import base64

import pytest

from tests.backends.kubernetes.emulator.conftest import Kube, container, indexed, pod

SECRET = base64.b64encode(b"s3cret").decode()


@pytest.fixture
def sources(kube: Kube) -> Kube:
    config = {"metadata": {"name": "settings"}, "data": {"COLOUR": "green", "not a name": "x", "SIZE": "3"}}
    secret = {"metadata": {"name": "keys"}, "data": {"TOKEN": SECRET}}
    kube.call("POST", "/api/v1/namespaces/default/configmaps", config)
    kube.call("POST", "/api/v1/namespaces/default/secrets", secret)
    return kube


def variable(name: str, **source: dict) -> dict:
    return {"name": name, "valueFrom": source}


def printed(kube: Kube, script: str, **more: object) -> str:
    kube.run_pod(pod(containers=[container(script, **more)]))
    return kube.log("pod")


def test_a_container_sees_its_host_name_and_the_api_server(kube: Kube):
    told = printed(kube, "env | sort")
    names = {line.partition("=")[0] for line in told.splitlines()}
    assert "HOSTNAME=pod\n" in told
    assert "KUBERNETES_SERVICE_HOST=10.96.0.1\n" in told
    cluster = {name for name in names if name.startswith("KUBERNETES_")}
    assert len(cluster) == 8
    assert names - cluster <= {"HOSTNAME", "HOME", "PATH", "LANG", "PWD", "SHLVL", "OLDPWD", "_"}


def test_service_links_can_be_turned_off(kube: Kube):
    kube.run_pod(pod("env", enableServiceLinks=False))
    assert "KUBERNETES_" not in kube.log("pod")


def test_values_come_from_config_maps_and_secrets(sources: Kube):
    env = [
        variable("A", configMapKeyRef={"name": "settings", "key": "COLOUR"}),
        variable("B", secretKeyRef={"name": "keys", "key": "TOKEN"}),
        variable("C", configMapKeyRef={"name": "settings", "key": "absent", "optional": True}),
    ]
    assert printed(sources, 'echo "$A $B ${C-unset}"', env=env) == "green s3cret unset\n"


def test_a_secret_that_is_not_in_the_cluster_comes_from_the_secrets_file(kube: Kube):
    env = [variable("A", secretKeyRef={"name": "vault", "key": "password"})]
    assert printed(kube, "echo $A", env=env) == "from the file\n"
    assert kube.call("GET", "/api/v1/secrets")["items"] == []


def test_a_secret_may_be_written_as_text(kube: Kube):
    secret = {"metadata": {"name": "keys"}, "stringData": {"TOKEN": "plain"}}
    made = kube.call("POST", "/api/v1/namespaces/default/secrets", secret)
    assert made["data"] == {"TOKEN": base64.b64encode(b"plain").decode()}
    assert printed(kube, "echo $TOKEN", envFrom=[{"secretRef": {"name": "keys"}}]) == "plain\n"


def test_whole_config_maps_and_secrets_become_variables(sources: Kube):
    env_from = [{"configMapRef": {"name": "settings"}, "prefix": "P_"}, {"secretRef": {"name": "keys"}}]
    own = [{"name": "P_SIZE", "value": "own"}]
    told = printed(sources, 'echo "$P_COLOUR $TOKEN $P_SIZE"', envFrom=env_from, env=own)
    assert told == "green s3cret own\n"


def test_optional_sources_may_be_missing(kube: Kube):
    env_from = [{"configMapRef": {"name": "absent", "optional": True}}]
    assert printed(kube, "echo fine", envFrom=env_from) == "fine\n"


def test_fields_of_the_pod_can_be_read(kube: Kube):
    paths = {
        "NAME": "metadata.name", "NAMESPACE": "metadata.namespace", "UID": "metadata.uid",
        "LABEL": "metadata.labels['app']", "NOTE": "metadata.annotations['example.com/note']",
        "NODE": "spec.nodeName", "ACCOUNT": "spec.serviceAccountName", "IP": "status.podIP",
        "HOST": "status.hostIP",
    }  # fmt: skip
    env = [variable(name, fieldRef={"fieldPath": path}) for name, path in paths.items()]
    wanted = pod(containers=[container("env", env=env)])
    wanted["metadata"] |= {"labels": {"app": "demo"}, "annotations": {"example.com/note": "hello"}}
    found = kube.run_pod(wanted)
    told = dict(line.partition("=")[::2] for line in kube.log("pod").splitlines())
    assert {name: told[name] for name in paths} == {
        "NAME": "pod", "NAMESPACE": "default", "UID": found["metadata"]["uid"], "LABEL": "demo",
        "NOTE": "hello", "NODE": "k8s-node-1", "ACCOUNT": "default", "IP": found["status"]["podIP"],
        "HOST": found["status"]["hostIP"],
    }  # fmt: skip


def test_resources_of_the_container_can_be_read(kube: Kube):
    env = [
        variable("CPU", resourceFieldRef={"resource": "limits.cpu", "divisor": "1m"}),
        variable("MEMORY", resourceFieldRef={"resource": "requests.memory", "divisor": "1Mi"}),
    ]
    told = printed(kube, "echo $CPU $MEMORY", env=env, resources={"limits": {"cpu": "1.5", "memory": "2Gi"}})
    assert told == "1500 2048\n"


def test_values_and_arguments_refer_to_earlier_variables(kube: Kube):
    env = [
        {"name": "WHO", "value": "world"},
        {"name": "TEXT", "value": "hello $(WHO) $(UNKNOWN) $$(WHO)"},
    ]
    found = container(env=env, command=["echo"], args=["$(TEXT)", "$$x"])
    kube.run_pod(pod(containers=[found]))
    assert kube.log("pod") == "hello world $(UNKNOWN) $(WHO) $x\n"


def test_every_container_of_an_index_knows_it(kube: Kube):
    init = container("echo init $JOB_COMPLETION_INDEX", name="init")
    kube.run(indexed("echo main $JOB_COMPLETION_INDEX", completions=1, template={"initContainers": [init]}))
    [found] = kube.pods()
    name = found["metadata"]["name"]
    assert kube.log(name, container="init") + kube.log(name, container="main") == "init 0\nmain 0\n"


def test_a_job_may_set_the_index_variable_itself(kube: Kube):
    own = [{"name": "JOB_COMPLETION_INDEX", "value": "mine"}]
    kube.run(
        indexed(completions=1, template={"containers": [container("echo $JOB_COMPLETION_INDEX", env=own)]})
    )
    [found] = kube.pods()
    assert kube.log(found["metadata"]["name"]) == "mine\n"
