"""GCP Batch."""
