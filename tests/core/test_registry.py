"""Backends are found by name; one whose packages are missing says what to install."""

from __future__ import annotations

import dataclasses

import pytest

from airflow_provider_jobs.core.errors import InvalidArgument, MissingExtra
from airflow_provider_jobs.core.registry import backend_entry, backends, load


def test_every_entry_leads_to_an_operator_a_hook_and_a_factory() -> None:
    for entry in backends():
        entry.check_installed()
        for path in (entry.operator, entry.hook, entry.factory):
            assert load(path).__name__ == path.partition(":")[2]


def test_an_unknown_backend_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidArgument, match=r"backend: 'slurm' is not known. Write one of .*gcp_batch"):
        backend_entry("slurm")


def test_a_missing_package_gives_one_line_that_says_what_to_install() -> None:
    entry = dataclasses.replace(backend_entry("gcp_batch"), needs={"no_such_vendor.client": "vendor-client"})
    with pytest.raises(MissingExtra) as raised:
        entry.check_installed()
    assert str(raised.value) == (
        "GCP Batch needs vendor-client, which is not installed: pip install 'airflow-provider-jobs[gcp]'"
    )
