"""The world of every backend, started once per session."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

from airflow_provider_jobs.core.registry import backends
from tests.contract.world import World


@pytest.fixture(scope="session", params=["fake", *(entry.name for entry in backends())])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Yield one backend with its service."""
    with importlib.import_module(f"tests.contract.subjects.{request.param}").world() as started:
        yield started
