"""Airflow's own Kubernetes provider against the local cloud; run as a program by ``test_official_airflow``.

One DAG run of the official operators, deferred and not, with nothing of them replaced: the connection alone
says where the cluster is.
"""

from __future__ import annotations

import json

import pendulum
from airflow.providers.cncf.kubernetes.operators.job import (
    KubernetesDeleteJobOperator,
    KubernetesJobOperator,
    KubernetesPatchJobOperator,
)
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from kubernetes.client import models as k8s

COMMON = {"image": "busybox", "namespace": "default", "random_name_suffix": False}
JOB = {"wait_until_job_complete": True, "job_poll_interval": 0.2, "backoff_limit": 0}


def make_dag() -> DAG:
    with DAG("official", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        shell = ["sh", "-c"]
        waited = KubernetesJobOperator(
            task_id="waited", name="waited", cmds=[*shell, "echo hello from $0; sleep 1", "waited"],
            completion_mode="Indexed", completions=2, parallelism=2, deferrable=False, **JOB, **COMMON,
        )  # fmt: skip
        deferred = KubernetesJobOperator(
            task_id="deferred", name="deferred", cmds=[*shell, "sleep 1; echo done"], deferrable=True,
            get_logs=True, **JOB, **COMMON,
        )  # fmt: skip
        failing = KubernetesJobOperator(
            task_id="failing", name="failing", cmds=[*shell, "exit 3"], deferrable=False, **JOB, **COMMON
        )
        failing_deferred = KubernetesJobOperator(
            task_id="failing_deferred", name="failing-deferred", cmds=[*shell, "exit 3"], deferrable=True,
            **JOB, **COMMON,
        )  # fmt: skip
        suspended = KubernetesJobOperator(
            task_id="suspended", name="suspended", cmds=[*shell, "sleep 1"], suspend=True,
            wait_until_job_complete=False, **COMMON,
        )  # fmt: skip
        resumed = KubernetesPatchJobOperator(
            task_id="resumed", name="job-suspended", namespace="default", body={"spec": {"suspend": False}}
        )
        deleted = KubernetesDeleteJobOperator(
            task_id="deleted", name="job-suspended", namespace="default", wait_for_completion=True,
            poll_interval=0.2, delete_on_status=None,
        )  # fmt: skip
        pod = KubernetesPodOperator(
            task_id="pod", name="pod", cmds=shell, arguments=["echo from a pod; echo $GREETING"],
            env_vars=[k8s.V1EnvVar(name="GREETING", value="hi")], get_logs=True, deferrable=False,
            on_finish_action="delete_pod", startup_check_interval_seconds=1, **COMMON,
        )  # fmt: skip
        pod_deferred = KubernetesPodOperator(
            task_id="pod_deferred", name="pod-deferred", cmds=shell, arguments=["sleep 1; echo from a pod"],
            get_logs=True, deferrable=True, poll_interval=0.2, on_finish_action="keep_pod",
            startup_check_interval_seconds=1, **COMMON,
        )  # fmt: skip
        suspended >> resumed >> deleted
        del waited, deferred, failing, failing_deferred, pod, pod_deferred
    return dag


dag = make_dag()

if __name__ == "__main__":
    run = dag.test()
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    print(json.dumps(states))
