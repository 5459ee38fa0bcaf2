"""Small forms that answers are written in: quantities, durations, sets of indexes, names of images."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.backends.kubernetes.emulator import images, indexes, quantities, times


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        (2, "2"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("2000", "2k"),
        ("1500", "1500"),
        ("0", "0"),
        ("100m", "100m"),
    ],
)
def test_a_quantity_is_written_in_one_way(written: object, canonical: str):
    assert quantities.canonical(written) == canonical
    assert quantities.parse(written) == quantities.parse(canonical)


@pytest.mark.parametrize("written", ["", "1.2.3", "ten", "1Xi", "- 1"])
def test_what_is_no_quantity_is_refused(written: str):
    with pytest.raises(ValueError, match="quantities must match"):
        quantities.parse(written)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (601, "10m"),
        (10_860, "3h1m"),
        (90_000, "25h"),
        (200_000, "2d7h"),
        (-10, "<invalid>"),
    ],
)
def test_a_duration_is_coarser_the_longer_it_is(seconds: float, shown: str):
    assert times.human(seconds) == shown


@pytest.mark.parametrize(
    ("found", "written"), [(set(), ""), ({0}, "0"), ({0, 1}, "0,1"), ({0, 1, 2, 5, 7, 8, 9}, "0-2,5,7-9")]
)
def test_indexes_are_written_as_ranges(found: set[int], written: str):
    assert indexes.written(found) == written
    assert indexes.parse(written, below=100) == found


@pytest.mark.parametrize(
    ("name", "valid", "full"),
    [
        ("busybox", True, "docker.io/library/busybox:latest"),
        ("team/app:3", True, "docker.io/team/app:3"),
        ("localhost:5000/app", True, "localhost:5000/app:latest"),
        ("Upper", False, None),
        ("two words", False, None),
    ],
)
def test_names_of_images(name: str, valid: bool, full: str | None):
    assert images.is_valid(name) is valid
    assert full is None or images.full_name(name) == full
    assert images.cannot_be_pulled(name) is None
