"""Count the words of a book: one GCP Batch job of 8 tasks, one per chapter, and a task that adds them up.

No shared disk is needed: each task gets its chapter as ``JOB_INPUT`` and reports its counts on stdout.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from keepers_book import CHAPTERS, COUNT_WORDS, chapters

from airflow_provider_jobs.operators import GcpBatchJobOperator

WORDS_IN_THE_BOOK = 6571
TIMES_THE_LAMP_IS_NAMED = 48


@dag(schedule=None, catchup=False, tags=["gcp_batch", "array"], doc_md=__doc__)
def gcp_batch_word_count() -> None:
    count_words = GcpBatchJobOperator(
        task_id="count_words",
        project_id="local-project",
        region="europe-west1",
        image="docker.io/library/python:3.12",
        command=["python3", "-c", COUNT_WORDS],
        array_size=len(CHAPTERS),
        parallelism=4,
        inputs=chapters(),
        cpu=1,
        memory="512Mi",
        max_run_seconds=120,
    )

    @task
    def add_up(counts: dict[str, dict[str, Any]]) -> dict[str, int]:
        """Add the counts of all chapters, and fail when they are not the book's."""
        total = {
            "words": sum(count["words"] for count in counts.values()),
            "lamp": sum(count["lamp"] for count in counts.values()),
        }
        expected = {"words": WORDS_IN_THE_BOOK, "lamp": TIMES_THE_LAMP_IS_NAMED}
        if total != expected:
            raise ValueError(f"the chapters add up to {total}, the book has {expected}")
        print(f"{len(counts)} chapters add up to {total['words']} words")
        return total

    add_up(count_words.output)


gcp_batch_word_count()
