"""Kubernetes Jobs."""
