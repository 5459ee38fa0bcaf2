"""``python -m airflow_provider_jobs.emulator``: the local cloud's command line by itself."""

from __future__ import annotations

from airflow_provider_jobs.emulator.cli import app

if __name__ == "__main__":
    app(prog_name="airflow-jobs emulator")
