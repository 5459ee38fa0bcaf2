"""Three shops close their books, each as a task of Airflow's own, all in one Azure Batch job that they share.

The job is made by whichever task comes first and stays for the next run. All of its tasks are asked for with
one call, and they count as one job of the account's quota.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from airflow_provider_jobs.operators import AzureBatchTaskOperator

TILLS = {
    "harbour": [[120, 80], [45], [310, 5, 5]],
    "market": [[99, 1], [250]],
    "station": [[60], [60], [60], [60]],
}
TAKINGS = {"harbour": 565, "market": 350, "station": 240}

CLOSE_TILL = """
import json, os
sales = json.loads(os.environ["JOB_INPUT"])
till = os.environ["JOB_INDEX"]
print(f"till {till} of {os.environ['JOB_COUNT']} in {os.environ['SHOP']} took {sum(sales)}", flush=True)
print("::airflow::" + json.dumps({"outputs": {"takings": sum(sales)}}))
"""


@dag(schedule=None, catchup=False, tags=["azure_batch", "array", "shared job"], doc_md=__doc__)
def azure_batch_close_books() -> None:
    shops = [
        AzureBatchTaskOperator(
            task_id=shop,
            pool_id="default",
            job_id="close-books",
            image="docker.io/library/python:3.12",
            command=["python3", "-c", CLOSE_TILL],
            env={"SHOP": shop},
            array_size=len(sales),
            inputs=sales,
            required_slots=1,
            max_task_retry_count=1,
            max_run_seconds=120,
        )
        for shop, sales in TILLS.items()
    ]

    @task
    def add_up(takings: list[dict[str, dict[str, int]]]) -> dict[str, int]:
        """Add the takings of every shop, and fail when they are not what the tills hold."""
        totals = {
            shop: sum(till["takings"] for till in tills.values())
            for shop, tills in zip(TILLS, takings, strict=True)
        }
        if totals != TAKINGS:
            raise ValueError(f"the shops took {totals}, the tills hold {TAKINGS}")
        print(f"{len(totals)} shops took {sum(totals.values())}")
        return totals

    add_up([shop.output for shop in shops])


azure_batch_close_books()
