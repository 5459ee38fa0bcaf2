"""The smallest DAG there is, for what a demo does around its DAGs."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False)
def one_task() -> None:
    @task
    def greet() -> str:
        print("good morning")
        return "good morning"

    greet()


one_task()
