"""A real Airflow and the local cloud on one machine, started for a demonstration or a test and ended with it.

Nothing that a deployment runs may import this package: it starts processes and writes files.
"""
