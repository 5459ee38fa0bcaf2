"""The official operator's tasks, deferrable."""

from __future__ import annotations

from airflow.sdk import DAG

from benchmarks.load import limits, make_tasks

with DAG("official", **limits()):
    make_tasks("official")
