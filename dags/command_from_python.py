"""A Python function returns the command of a job; the second cloud is asked where the first has no room."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False, tags=["portable", "decorator"], doc_md=__doc__)
def command_from_python() -> None:
    @task.container_job(
        backend=["aws_batch", "gcp_batch"],
        targets={
            "aws_batch": {"region_name": "eu-west-1", "job_queue": "default"},
            "gcp_batch": {"project_id": "local-project", "region": "europe-west1"},
        },
        image="docker.io/library/busybox:1.37",
        array_size=2,
        max_run_seconds=300,
    )
    def greet(name: str) -> list[str]:
        return ["sh", "-c", 'echo "index $JOB_INDEX greets $0"', name]

    greet("the keeper")


command_from_python()
