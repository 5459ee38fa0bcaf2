"""Container jobs on five clouds as Airflow tasks. Holds the version and imports nothing."""

from __future__ import annotations

__version__ = "0.1.0"
