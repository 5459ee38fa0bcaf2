"""The world of every backend, started once per session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.subjects import SUBJECTS, World


@pytest.fixture(scope="session", params=SUBJECTS, ids=lambda subject: subject.name)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Yield one backend with its service."""
    with request.param.start() as started:
        yield started
