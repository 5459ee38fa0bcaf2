"""A Cloud Run job that a team deployed is run with this day's arguments; a second job is made by its task.

``deploy`` stands for the pipeline that deploys ``nightly-ingest``. ``ingest`` runs it as it is, with its own
arguments and variables and three tasks instead of one. ``check`` brings an image: its job is made at the
first run, and changed only when the arguments below change. Its first attempt fails; the service itself
tries once more.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_provider_jobs.operators import CloudRunJobOperator

PROJECT, REGION = "local-project", "europe-west1"
INGEST = """
echo "task $CLOUD_RUN_TASK_INDEX of $CLOUD_RUN_TASK_COUNT loads $2 from $SOURCE"
echo "::airflow::{\\"outputs\\": {\\"rows\\": $(( (CLOUD_RUN_TASK_INDEX + 1) * 100 ))}}"
"""
CHECK = """
if [ "$JOB_ATTEMPT" = 0 ]; then echo "the warehouse is not ready"; exit 1; fi
echo "the warehouse holds $ROWS rows"
"""


@dag(schedule=None, catchup=False, tags=["cloud_run", "array"], doc_md=__doc__)
def cloud_run_ingest() -> None:
    @task
    def deploy() -> str:
        """Create the job, or put this version in the place of the last."""
        from airflow_provider_jobs.hooks import CloudRunHook

        container = {
            "image": "docker.io/library/busybox:1.37",
            "command": ["/bin/sh", "-c", INGEST, "ingest"],
            "args": ["--day", "never"],
        }
        name = f"projects/{PROJECT}/locations/{REGION}/jobs/nightly-ingest"
        job = {"name": name, "template": {"template": {"containers": [container], "max_retries": 0}}}
        return CloudRunHook().update_job(job, allow_missing=True).name

    ingest = CloudRunJobOperator(
        task_id="ingest",
        project_id=PROJECT,
        region=REGION,
        job_name="nightly-ingest",
        args=["--day", "{{ dag_run.conf.get('day', '2030-01-01') }}"],
        env={"SOURCE": "harbour"},
        task_count=3,
        task_timeout_seconds=120,
    )

    @task
    def add_up(rows: dict[str, dict[str, Any]]) -> int:
        """Return how many rows all tasks have loaded."""
        return sum(each["rows"] for each in rows.values())

    check = CloudRunJobOperator(
        task_id="check",
        project_id=PROJECT,
        region=REGION,
        image="docker.io/library/busybox:1.37",
        script=CHECK,
        env={"ROWS": "{{ ti.xcom_pull(task_ids='add_up') }}"},
        memory="512Mi",
        max_retries=1,
        task_timeout_seconds=120,
    )
    deploy() >> ingest
    add_up(ingest.output) >> check


cloud_run_ingest()
