"""How a failure looks: task 5 of 8 exits with code 3, and the exception says so with the end of its log."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_jobs.operators import GcpBatchJobOperator

CHECK_STOCK = """
echo "checking shelf $JOB_INDEX of $JOB_COUNT"
if [ "$JOB_INDEX" = 5 ]; then
    echo "shelf 5 should hold 40 boxes"
    echo "shelf 5 holds 37 boxes"
    echo "giving up: 3 boxes are missing" >&2
    exit 3
fi
echo "shelf $JOB_INDEX is complete"
"""


@dag(schedule=None, catchup=False, tags=["gcp_batch", "array", "failure"], doc_md=__doc__)
def gcp_batch_failing_index() -> None:
    GcpBatchJobOperator(
        task_id="check_stock",
        project_id="local-project",
        region="europe-west1",
        image="docker.io/library/busybox:1.37",
        script=CHECK_STOCK,
        array_size=8,
        max_retry_count=0,
        max_run_seconds=120,
    )


gcp_batch_failing_index()
