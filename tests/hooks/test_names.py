"""Hooks by their short names, loaded only when they are used."""

from __future__ import annotations

import pytest

from airflow_provider_jobs import hooks
from airflow_provider_jobs.backends.gcp_batch.hook import GcpBatchHook
from airflow_provider_jobs.core.registry import backends


def test_every_registered_hook_has_its_short_name() -> None:
    assert dir(hooks) == sorted(entry.hook.rpartition(":")[2] for entry in backends())
    assert hooks.GcpBatchHook is GcpBatchHook


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchHook"):
        hooks.NoSuchHook  # noqa: B018 - the access is what is tried
