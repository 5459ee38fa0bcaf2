"""Our tasks, whose jobs the triggerer submits."""

from __future__ import annotations

from airflow.sdk import DAG

from benchmarks.load import limits, make_tasks

with DAG("triggerer", **limits()):
    make_tasks("triggerer")
