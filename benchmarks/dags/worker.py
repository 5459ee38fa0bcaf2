"""Our tasks, whose jobs a worker submits."""

from __future__ import annotations

from airflow.sdk import DAG

from benchmarks.load import limits, make_tasks

with DAG("worker", **limits()):
    make_tasks("worker")
