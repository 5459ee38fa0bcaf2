"""Files for jobs: AWS Batch indexes a book that is too long for its request, and Kubernetes joins the parts.

Each index gets its chapter as ``JOB_INPUT``, although all of them together are four times what the service
takes: they go through ``[airflow_provider_jobs] storage_path``. What an index writes into ``JOB_OUTPUT_DIR``
is collected, and brought to the next job below ``JOB_INPUT_DIR``. No job needs a client of that storage.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from keepers_book import BOOK, CHAPTERS, chapters

from airflow_provider_jobs.operators import AwsBatchJobOperator, KubernetesJobOperator

INDEX_CHAPTER = """
import json, os, pathlib
chapter = json.loads(os.environ["JOB_INPUT"])
words = sorted({word.strip(".,;:'").lower() for word in chapter["text"].split()})
part = pathlib.Path(os.environ["JOB_OUTPUT_DIR"], "words.txt")
part.write_text("\\n".join(words))
print(chapter["name"], "has", len(words), "different words")
"""

JOIN = """
cd "$JOB_INPUT_DIR"
lines=$(sort -u parts/*.txt | wc -l)
echo "the parts hold $lines different words"
sort -u parts/*.txt > "$JOB_OUTPUT_DIR/index.txt"
head -n 1 book.txt > "$JOB_OUTPUT_DIR/title.txt"
"""


@dag(schedule=None, catchup=False, tags=["aws_batch", "kubernetes", "files", "array"], doc_md=__doc__)
def files_between_clouds() -> None:
    index_chapters = AwsBatchJobOperator(
        task_id="index_chapters",
        region_name="eu-west-1",
        job_queue="default",
        image="docker.io/library/python:3.12",
        command=["python3", "-c", INDEX_CHAPTER],
        inputs=chapters(),
        array_size=len(CHAPTERS),
        output_files=["words.txt"],
        max_run_seconds=300,
    )

    @task
    def name_files(job: dict[str, Any]) -> dict[str, str]:
        """Return what the next job calls the files, and where they are."""
        parts = {f"parts/{index}.txt": files["words.txt"] for index, files in job["output_files"].items()}
        return {"book.txt": str(BOOK), **parts}

    join = KubernetesJobOperator(
        task_id="join",
        namespace="default",
        image="docker.io/library/busybox:1.37",
        script=JOIN,
        input_files=name_files(index_chapters.output["job"]),
        output_files=["*.txt"],
        max_run_seconds=300,
    )

    @task
    def read_title(job: dict[str, Any]) -> str:
        """Return the first line of the book, as the job has copied it."""
        from airflow.sdk import ObjectStoragePath

        print(f"{len(job['output_files'])} files were collected")
        return ObjectStoragePath(job["output_files"]["title.txt"]).read_text().strip()

    read_title(join.output["job"])


files_between_clouds()
