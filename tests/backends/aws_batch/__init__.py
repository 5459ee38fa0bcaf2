"""The AWS Batch backend: its pure modules by tables, its calls against a local cloud and against moto."""
