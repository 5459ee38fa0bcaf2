"""Count the words of a book: one GCP Batch job of 8 tasks, one per chapter, and a task that adds them up.

No shared disk is needed: each task gets its chapter as ``JOB_INPUT`` and reports its counts on stdout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from airflow_provider_jobs.operators import GcpBatchJobOperator

BOOK = Path(__file__).parent / "data" / "keepers_book.txt"
CHAPTERS = ("January", "February", "March", "April", "May", "June", "July", "August")
WORDS_IN_THE_BOOK = 6571
TIMES_THE_LAMP_IS_NAMED = 48

COUNT_WORDS = """
import json, os
chapter = json.loads(os.environ["JOB_INPUT"])
words = chapter["text"].split()
print(chapter["name"], "has", len(words), "words", flush=True)
lamps = sum(word.strip(".,;").lower() == "lamp" for word in words)
print("::airflow::" + json.dumps({"progress": 1.0, "message": chapter["name"] + " is counted"}))
print("::airflow::" + json.dumps({"outputs": {"words": len(words), "lamp": lamps}}))
"""


def chapters() -> list[dict[str, str]]:
    """Name and text of every chapter, in the order of the book."""
    text = BOOK.read_text(encoding="utf-8")
    starts = [text.index(f"\n{name}\n") for name in CHAPTERS]
    ends = [*starts[1:], len(text)]
    return [
        {"name": name, "text": text[start:end].strip()}
        for name, start, end in zip(CHAPTERS, starts, ends, strict=True)
    ]


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
