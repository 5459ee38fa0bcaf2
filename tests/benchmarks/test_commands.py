"""Every benchmark runs with tiny numbers, through all that a big one runs through, and says what is promised.

How big the figures are depends on the machine and is no matter here; that jobs are counted right is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

POLLING = {
    "api_calls_per_interval",
    "rss_kib_per_job",
    "loop_block_max_seconds",
    "cpu_percent",
    "detect_p50_seconds",
    "detect_p99_seconds",
    "cloud_cpu_percent",
    "calls",
}
# Each starts processes that import Airflow and a vendor's client, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(600)


def bench(*arguments: str) -> dict[str, Any]:
    """Run a command with ``--json`` and return the object on its last line."""
    answer = run(*arguments, "--json")
    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout.splitlines()[-1])
    assert list(result) == ["ours", "official", "machine"]
    assert result["machine"].keys() >= {"cores", "cpu", "python", "airflow", "date"}
    return result


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )


@pytest.mark.parametrize("backend", ["aws_batch", "cloud_run", "kubernetes"])
def test_polling_sees_the_end_of_every_job_on_both_sides(backend: str) -> None:
    result = bench("polling", "--backend", backend, "--jobs", "3", "--interval", "1", "--seconds", "2")
    for side in ("ours", "official"):
        assert result[side].keys() >= POLLING
        assert result[side]["ended"] == 3
        assert result[side]["undetected"] == 0
        assert result[side]["failed_triggers"] == 0


def test_polling_leaves_the_official_side_out_where_it_is_given_no_jobs() -> None:
    result = bench("polling", "--jobs", "2", "--interval", "0.5", "--seconds", "0.5", "--official-jobs", "0")
    assert result["ours"]["jobs"] == 2
    assert result["official"] is None


@pytest.mark.parametrize("backend", ["kubernetes"])
def test_imports_count_seconds_and_modules_of_an_operator(backend: str) -> None:
    result = bench("imports", "--backend", backend, "--times", "1")
    for side in ("ours", "official"):
        assert result[side].keys() >= {"seconds", "modules"}
        assert list(result[side]["by_backend"]) == [backend]


def test_an_outage_is_survived_by_our_triggers() -> None:
    result = bench("outage", "--backend", "aws_batch", "--jobs", "3", "--interval", "1", "--seconds", "4")
    for side in ("ours", "official"):
        assert result[side].keys() >= {"failed_tasks", "recovered_seconds"}
        assert result[side]["lost_tasks"] == 0
    assert result["ours"]["failed_tasks"] == 0
    assert result["ours"]["recovered_tasks"] == 3


def test_a_flood_arrives_whole_and_is_never_held_whole() -> None:
    result = bench("flood", "--backend", "azure_batch", "--lines", "40000", "--indexes", "4")
    ours = result["ours"]
    assert result["official"] is None
    assert ours["lines_read"] == ours["lines_written"] == 40_000
    assert ours["checksums_right"] == 4
    assert ours["most_lines_held"] < 40_000


def test_logs_bring_every_line_on_both_sides() -> None:
    result = bench("logs", "--backend", "aws_batch", "--jobs", "2", "--seconds", "2")
    for side in ("ours", "official"):
        figures = result[side]
        assert figures["lines_read"] == figures["lines_written"] == 20
        assert figures.keys() >= {
            "lines_per_second",
            "delay_p50_seconds",
            "delay_p99_seconds",
            "calls_per_minute",
        }


def test_logs_have_no_official_side_where_there_is_none() -> None:
    assert bench("logs", "--jobs", "2", "--seconds", "2")["official"] is None


@pytest.mark.parametrize("backend", ["aws_batch", "azure_batch"])
def test_submission_is_counted_in_jobs_per_second(backend: str) -> None:
    result = bench("submit", "--backend", backend, "--jobs", "3")
    assert result["ours"]["jobs"] == 3
    assert result["ours"]["jobs_per_second"] > 0
    if backend == "azure_batch":
        assert result["official"] is None
    else:
        assert result["official"]["jobs_per_second"] > 0


@pytest.mark.usefixtures("postgres_url")  # there is a server, or the test is skipped
def test_throughput_runs_all_three_ways_through_a_real_airflow() -> None:
    result = bench("throughput", "--jobs", "2", "--within", "200")
    for figures in (result["ours"], *(result["ours"][mode] for mode in ("worker", "triggerer"))):
        assert figures.keys() >= {"seconds", "succeeded", "failed"}
        assert (figures["succeeded"], figures["failed"], figures["unfinished"]) == (2, 0, 0)
    # Of the official ones some fail now and then, which is what is counted.
    assert result["official"].keys() >= {"seconds", "succeeded", "failed"}
    assert result["official"]["jobs"] == 2


def test_without_json_both_sides_stand_in_a_table() -> None:
    answer = run("submit", "--jobs", "2")
    assert answer.returncode == 0, answer.stderr
    assert "jobs_per_second" in answer.stdout


def test_a_backend_that_is_not_known_is_refused() -> None:
    answer = run("polling", "--backend", "nowhere")
    assert answer.returncode == 2
    assert "gcp_batch" in answer.stderr


def test_the_report_writes_a_table_for_every_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import report

    def part(title: str) -> str:
        if title == "Import":
            raise TimeoutError
        return f"figures of {title}"

    parts = {title: lambda _sizes, title=title: part(title) for title in report._PARTS}
    monkeypatch.setattr(report, "_PARTS", parts)
    report.write(report.SMALL, tmp_path / "README.md")
    text = (tmp_path / "README.md").read_text()
    assert "figures of Waiting" in text
    assert "Not measured: TimeoutError." in text
    assert "## Goals" in text
