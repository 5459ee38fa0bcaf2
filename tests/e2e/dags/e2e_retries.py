"""What retries are tested with: arrays of which one index fails at first, and a machine that goes away."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from airflow_provider_jobs.operators import ContainerJobOperator, GcpBatchJobOperator, JobRetryPolicy

TARGETS = {
    "gcp_batch": {"project_id": "local-project", "region": "europe-west1"},
    "cloud_run": {"project_id": "local-project", "region": "europe-west1"},
    "aws_batch": {"region_name": "eu-west-1", "job_queue": "default"},
    "azure_batch": {"pool_id": "default"},
    "kubernetes": {"namespace": "default"},
}
IMAGE = "docker.io/library/busybox:1.37"
# Where a file of the task's name says that index 2 has failed before, it succeeds.
FAIL_ONCE = """
echo "index $JOB_INDEX of $JOB_COUNT runs"
if [ "$JOB_INDEX" = 2 ] && ! [ -e "$MEMORY" ]; then touch "$MEMORY"; exit 3; fi
echo '::airflow::{"outputs": {"index": '$JOB_INDEX'}}'
"""
WAIT_FOR_THE_MACHINE_TO_GO = """
if [ -e "$MEMORY" ]; then echo '::airflow::{"outputs": {"arrived": true}}'; exit 0; fi
touch "$MEMORY"
echo "the first machine is at work"
exec sleep 120
"""


@dag(schedule=None, catchup=False)
def e2e_failed_indexes() -> None:
    for backend in TARGETS:
        ContainerJobOperator(
            task_id=f"on_{backend}",
            backend=backend,
            targets=TARGETS,
            image=IMAGE,
            script=FAIL_ONCE,
            env={"MEMORY": f"{{{{ dag_run.conf['memory'] }}}}/{backend}"},
            array_size=5,
            max_run_seconds=120,
            retries=2,
            retry_delay=timedelta(seconds=1),
        )


@dag(schedule=None, catchup=False)
def e2e_preempted() -> None:
    GcpBatchJobOperator(
        task_id="run",
        project_id="local-project",
        region="europe-west1",
        image=IMAGE,
        script=WAIT_FOR_THE_MACHINE_TO_GO,
        env={"MEMORY": "{{ dag_run.conf['memory'] }}/preempted"},
        spot=True,
        max_run_seconds=180,
        preemption_retries=1,
    )


@dag(schedule=None, catchup=False)
def e2e_retry_policy() -> None:
    GcpBatchJobOperator(
        task_id="run",
        project_id="local-project",
        region="europe-west1",
        image=IMAGE,
        script="exit 7",
        max_run_seconds=120,
        retries=4,
        retry_delay=timedelta(minutes=30),
        retry_policy=JobRetryPolicy(user_code=(1, timedelta(seconds=1)), platform=4),
    )


e2e_failed_indexes()
e2e_preempted()
e2e_retry_policy()
