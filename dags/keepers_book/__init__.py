"""The book whose words the examples count, and the command that counts them. No DAG is in here."""

from __future__ import annotations

from pathlib import Path

BOOK = Path(__file__).parent / "text.txt"
CHAPTERS = ("January", "February", "March", "April", "May", "June", "July", "August")

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


def first_entries() -> list[dict[str, str]]:
    """Name and first diary entry of every chapter: small enough for the smallest limit of all services."""
    entries = [chapter["text"].split("\n\n")[1] for chapter in chapters()]
    return [{"name": name, "text": entry} for name, entry in zip(CHAPTERS, entries, strict=True)]
