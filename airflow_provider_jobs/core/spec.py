"""What a job runs: the portable words that all five services share, and the vendor's own beside them."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from airflow_provider_jobs.core.arguments import (
    Count,
    Cpu,
    Image,
    Labels,
    Memory,
    Seconds,
    Variables,
    Words,
    memory_mib,
)
from airflow_provider_jobs.core.files import JobFiles
from airflow_provider_jobs.core.wire import Wire


class Gpu(Wire):
    """Accelerators of one index.

    :param type: the vendor's name of the accelerator, ``None`` for the service's default
    """

    count: Count = 1
    type: str | None = None


def _gpu(value: Any) -> Any:
    return {"count": value} if isinstance(value, int) and not isinstance(value, bool) else value


class JobSpec(Wire):
    """One job, before any service has seen it.

    Values are as rendered; secrets are references in the vendor's form, never values.

    :param command: the words to run; ``None`` leaves the image's own entry point
    :param script: a shell text, instead of ``command``
    :param input: any JSON, arrives as ``JOB_INPUT``
    :param inputs: one JSON value per index, arrives as that index's ``JOB_INPUT``
    :param indexes: the original indexes to run, ``None`` for all of ``array_size``
    :param stamp: a short text of ``[a-z0-9-]`` that the service keeps with the job and the handle gives back
    :param files: where the job finds its files, and leaves those that are collected
    :param prelude: whether a shell text may stand in front of the command
    :param options: the vendor's own words, checked by the backend's model
    :param native: merged last into the vendor's request
    """

    version: Literal[1] = 1
    image: Image | None = None
    command: Words | None = None
    script: str | None = Field(default=None, min_length=1)
    env: Variables = {}
    secrets: Variables = {}
    input: JsonValue = None
    inputs: tuple[JsonValue, ...] | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    gpu: Annotated[Gpu | None, BeforeValidator(_gpu)] = None
    array_size: Count = 1
    parallelism: Count | None = None
    max_run_seconds: Seconds | None = None
    spot: bool = False
    labels: Labels = {}
    indexes: tuple[int, ...] | None = None
    stamp: str = Field(default="", max_length=63)
    files: JobFiles | None = None
    prelude: bool = True
    options: dict[str, JsonValue] = {}
    native: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _together(self) -> JobSpec:
        if self.script is not None and self.command is not None:
            raise ValueError("script and command are both given. Write one of them")
        if self.input is not None and self.inputs is not None:
            raise ValueError("input and inputs are both given. Write one of them")
        if self.inputs is not None and len(self.inputs) != self.array_size:
            raise ValueError(
                f"inputs has {len(self.inputs)} values and array_size is {self.array_size}. Make them equal"
            )
        if self.indexes is not None and list(self.indexes) != sorted(set(self.indexes)):
            raise ValueError("indexes are not sorted, or one stands twice. Sort them")
        if both := sorted(self.env.keys() & self.secrets.keys()):
            raise ValueError(f"{', '.join(both)} stands in env and in secrets. Keep one of them")
        return self

    @property
    def memory_mib(self) -> int | None:
        """The memory of one index in mebibytes, rounded up."""
        return None if self.memory is None else memory_mib(self.memory)

    @property
    def is_array(self) -> bool:
        """Whether it has several indexes, however many of them this submission runs."""
        return self.array_size > 1

    @property
    def task_count(self) -> int:
        """How many tasks this submission has on the service."""
        return self.array_size if self.indexes is None else len(self.indexes)

    @property
    def fingerprint(self) -> str:
        """16 hex characters that change when anything that the user asks for changes.

        Which indexes are left to run is not asked for, it comes about.
        """
        asked = self.model_copy(update={"indexes": None, "stamp": ""})
        text = json.dumps(asked.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
