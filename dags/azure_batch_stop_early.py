"""How Azure Batch stops early: the first part that is broken ends the whole job, by its exit code.

The service itself does that, so that no machine works on while Airflow has yet to hear of it.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_jobs.operators import AzureBatchTaskOperator

CHECK_PART = """
echo "checking part $JOB_INDEX of $JOB_COUNT"
if [ "$JOB_INDEX" = 2 ]; then
    sleep 1
    echo "part 2 is cracked" >&2
    exit 3
fi
exec sleep 600
"""


@dag(schedule=None, catchup=False, tags=["azure_batch", "array", "failure"], doc_md=__doc__)
def azure_batch_stop_early() -> None:
    AzureBatchTaskOperator(
        task_id="check_parts",
        pool_id="default",
        image="docker.io/library/busybox:1.37",
        script=CHECK_PART,
        array_size=6,
        exit_conditions={"exitCodes": [{"code": 3, "exitOptions": {"jobAction": "terminate"}}]},
        priority=100,
        max_run_seconds=700,
    )


azure_batch_stop_early()
