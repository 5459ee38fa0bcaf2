"""What the end-to-end tests need beside the examples: a job that waits to be let on, one that cannot be."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from airflow_provider_jobs.operators import ContainerJobOperator, GcpBatchJobOperator

WAIT_AT_THE_GATE = """
echo "index $JOB_INDEX is at the gate"
waited=0
while [ ! -e "$GATE" ] && [ "$waited" -lt 1200 ]; do sleep 0.1; waited=$((waited + 1)); done
[ -e "$GATE" ] || exit 9
echo "index $JOB_INDEX is through the gate"
"""


@dag(schedule=None, catchup=False)
def e2e_gate() -> None:
    GcpBatchJobOperator(
        task_id="wait",
        project_id="local-project",
        region="europe-west1",
        image="docker.io/library/busybox:1.37",
        script=WAIT_AT_THE_GATE,
        env={"GATE": "{{ dag_run.conf['gate'] }}"},
        array_size=3,
        max_run_seconds=180,
    )


@dag(schedule=None, catchup=False)
def e2e_no_such_connection() -> None:
    GcpBatchJobOperator(
        task_id="submit",
        gcp_conn_id="no_such_connection",
        project_id="local-project",
        region="europe-west1",
        image="docker.io/library/busybox:1.37",
        command=["true"],
    )


@dag(schedule=None, catchup=False)
def e2e_next_service() -> None:
    ContainerJobOperator(
        task_id="run",
        backend=["gcp_batch", "aws_batch", "kubernetes"],
        targets={
            "gcp_batch": {"project_id": "local-project", "region": "europe-west1"},
            "aws_batch": {"region_name": "eu-west-1", "job_queue": "default"},
            "kubernetes": {"namespace": "default"},
        },
        image="docker.io/library/busybox:1.37",
        script='echo "index $JOB_INDEX has found room"',
        array_size=2,
        queue_timeout=timedelta(seconds=8),
        execution_timeout=timedelta(minutes=4),
    )


e2e_gate()
e2e_next_service()
e2e_no_such_connection()
