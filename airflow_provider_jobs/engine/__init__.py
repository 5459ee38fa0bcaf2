"""How jobs are submitted once, polled in groups, tailed, waited for and cancelled.

Knows neither Airflow nor a vendor: above it are the operator and the trigger, below it the
:class:`~airflow_provider_jobs.core.backend.Backend` interface::

    submit_once ──► Backend.submit            (worker)
    wait_for_job ─► PollGroup ─► Backend.describe, read_logs   (triggerer, or worker without deferral)
                └─► cancel_job ─► Backend.cancel
"""
