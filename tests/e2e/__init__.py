"""A real Airflow in processes of its own against the local cloud, seen only through the public REST API."""
