"""The Kubernetes backend: its pure modules by tables, its calls against a local cloud."""
