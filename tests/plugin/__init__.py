"""The pages in Airflow's UI, as far as they can be tried without one."""
