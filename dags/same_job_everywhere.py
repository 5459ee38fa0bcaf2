"""The same job on five clouds: eight indexes count the words of eight diary entries on each, side by side.

Only ``TARGETS`` knows the clouds. To move one of these tasks for good, set ``backend`` by a Variable, as in
``backend="{{ var.value.cloud }}"``, or leave it out and let the connection say which service it leads to.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from keepers_book import CHAPTERS, COUNT_WORDS, first_entries

from airflow_provider_jobs.operators import ContainerJobOperator

TARGETS: dict[str, dict[str, Any]] = {
    "gcp_batch": {"project_id": "local-project", "region": "europe-west1"},
    "cloud_run": {"project_id": "local-project", "region": "europe-west1"},
    "aws_batch": {"region_name": "eu-west-1", "job_queue": "default"},
    "azure_batch": {"pool_id": "default"},
    "kubernetes": {"namespace": "default"},
}


@dag(schedule=None, catchup=False, tags=["portable", "array"], doc_md=__doc__)
def same_job_everywhere() -> None:
    counts = {
        cloud: ContainerJobOperator(
            task_id=f"count_on_{cloud}",
            backend=cloud,
            targets=TARGETS,
            image="docker.io/library/python:3.12",
            command=["python3", "-c", COUNT_WORDS],
            inputs=first_entries(),
            array_size=len(CHAPTERS),
            cpu=1,
            memory="2Gi",
            max_run_seconds=300,
        ).output
        for cloud in TARGETS
    }

    @task
    def compare(counts: dict[str, dict[str, dict[str, int]]]) -> int:
        """Return the words that were counted, and fail when two clouds disagree."""
        totals = {cloud: sum(count["words"] for count in by.values()) for cloud, by in counts.items()}
        if len(set(totals.values())) != 1:
            raise ValueError(f"the clouds disagree: {totals}")
        total = next(iter(totals.values()))
        print(f"{len(totals)} clouds agree on {total} words")
        return total

    compare(counts)


same_job_everywhere()
