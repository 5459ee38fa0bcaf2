"""The page of a job in the Airflow UI, and the JSON behind it."""
