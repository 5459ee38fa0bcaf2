"""Cloud Run Jobs."""
