"""Many tasks at once on all five services, whose jobs keep their own record of when they ran and how."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, get_current_context, task

from airflow_provider_jobs.operators import ContainerJobOperator

TARGETS: dict[str, dict[str, Any]] = {
    "gcp_batch": {"project_id": "local-project", "region": "europe-west1"},
    "cloud_run": {"project_id": "local-project", "region": "europe-west1"},
    "aws_batch": {"region_name": "eu-west-1", "job_queue": "default"},
    "azure_batch": {"pool_id": "default"},
    "kubernetes": {"namespace": "default"},
}
IMAGE = "docker.io/library/busybox:1.37"
# A job that is told to fail at first does so when it is the first of its task instance.
JOB = """
say() { echo "$1" >> "$RECORD"; }
trap 'say cancelled; exit 143' TERM
say began
printed=0
while [ "$printed" -lt "$LINES" ]; do
    printed=$((printed + 1))
    echo "$NAME is at line $printed"
    sleep 0.5
done
if [ -n "$FAILS_FIRST" ] && mkdir "$RECORD.failed" 2>/dev/null; then say failed; exit 3; fi
echo "::airflow::{\\"outputs\\": {\\"name\\": \\"$NAME\\"}}"
say succeeded
"""


def load(dag_id: str, *, retries: int, from_triggerer: int) -> None:
    """Every service gets ``conf["count"]`` jobs of ``conf["lines"]`` half seconds.

    Each writes ``began``, then ``failed``, ``cancelled`` or ``succeeded``, to a file of its task instance
    below ``conf["records"]``.

    :param from_triggerer: how many jobs more each service gets that no worker submits
    """
    again: dict[str, Any] = {"retries": retries, "retry_delay": timedelta(seconds=1)}
    with DAG(dag_id, schedule=None, catchup=False, max_active_tasks=64):
        for backend in TARGETS:
            job = {
                "backend": backend,
                "targets": TARGETS,
                "image": IMAGE,
                "script": JOB,
                "max_run_seconds": 120,
                **again,
            }
            variables = task(task_id=f"orders_for_{backend}", **again)(orders)(backend)
            ContainerJobOperator.partial(task_id=f"on_{backend}", **job).expand(env=variables)
            for number in range(from_triggerer):
                name = f"{backend}-from-triggerer-{number}"
                ContainerJobOperator(
                    task_id=name,
                    env={
                        "NAME": name,
                        "RECORD": f"{{{{ dag_run.conf['records'] }}}}/{name}",
                        "LINES": "{{ dag_run.conf['lines'] }}",
                        "FAILS_FIRST": "",
                    },
                    submit_from="triggerer",
                    **job,
                )


def orders(backend: str) -> list[dict[str, str]]:
    """The variables of every job of a service."""
    conf = get_current_context()["dag_run"].conf
    return [
        {
            "NAME": f"{backend}-{number}",
            "RECORD": f"{conf['records']}/{backend}-{number}",
            "LINES": str(conf["lines"]),
            "FAILS_FIRST": "yes" if number in conf["fail_first"] else "",
        }
        for number in range(conf["count"])
    ]


# Far more retries than there are kills: a task that fails nevertheless was failed by none of them.
load("faults_load", retries=50, from_triggerer=2)
load("faults_burst", retries=0, from_triggerer=0)
