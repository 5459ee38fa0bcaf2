"""Tasks whose jobs wait at a gate, one for each way in which a user or Airflow itself can end them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_jobs.operators import AwsBatchJobOperator, GcpBatchJobOperator

# Every index says a line now and then, so that a log with a hole in it shows.
WAIT_AT_THE_GATE = """
said=0
while [ ! -e "$GATE" ] && [ "$said" -lt 400 ]; do
    echo "index $JOB_INDEX says line $said"
    said=$((said + 1))
    sleep 0.5
done
echo "index $JOB_INDEX is through the gate after $said lines"
"""
GATE = {"GATE": "{{ dag_run.conf['gate'] }}"}


def wait_at_the_gate(task_id: str, **arguments: Any) -> None:
    GcpBatchJobOperator(
        task_id=task_id,
        project_id="local-project",
        region="europe-west1",
        image="docker.io/library/busybox:1.37",
        script=WAIT_AT_THE_GATE,
        env=GATE,
        array_size=3,
        max_run_seconds=240,
        **arguments,
    )


with DAG("e2e_ends", schedule=None, catchup=False):
    wait_at_the_gate("marked_failed")
    wait_at_the_gate("marked_success")
    wait_at_the_gate("cleared")
    wait_at_the_gate("left", on_kill="leave")
    wait_at_the_gate("out_of_time", execution_timeout=timedelta(seconds=45))
    wait_at_the_gate("out_of_patience", queue_timeout=timedelta(seconds=20))

with DAG("e2e_ends_run", schedule=None, catchup=False):
    wait_at_the_gate("wait")

with DAG("e2e_ends_dag", schedule=None, catchup=False):
    wait_at_the_gate("wait")

with DAG("e2e_ends_run_timeout", schedule=None, catchup=False, dagrun_timeout=timedelta(seconds=45)):
    wait_at_the_gate("wait")

# On a service of its own, so that its submissions can be held up and no others.
with DAG("e2e_ends_submits", schedule=None, catchup=False):
    AwsBatchJobOperator(
        task_id="wait",
        region_name="eu-west-1",
        job_queue="default",
        image="docker.io/library/busybox:1.37",
        script=WAIT_AT_THE_GATE,
        env=GATE,
        array_size=3,
        max_run_seconds=240,
    )
