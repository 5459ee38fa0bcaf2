"""``python -m airflow_provider_jobs`` is ``airflow-jobs``."""

from __future__ import annotations

from airflow_provider_jobs.cli import main

if __name__ == "__main__":
    main()
