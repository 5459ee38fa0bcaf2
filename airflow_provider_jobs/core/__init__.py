"""States, models, errors and the backend interface: pure Python, no Airflow, no vendor."""
