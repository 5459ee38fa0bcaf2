"""Names of Batch's resources: what is accepted, how they are written in full, ids that look like its own.

It exists because names are where most mistakes are made. It must not look anything up.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html (forms of the ARNs)
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_jobs.backends.aws_batch.emulator.signature import Caller

#: "up to 128 letters long ... uppercase and lowercase letters, numbers, hyphens (-), and underscores (_)"
RESOURCE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
#: A job's name must begin with a letter or a digit.
JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_ARN = re.compile(r"arn:[\w-]+:batch:(?P<region>[\w-]*):(?P<account>\d{12}):(?P<kind>[\w-]+)/(?P<name>.+)")


@dataclass(frozen=True)
class Place:
    """One account in one region: everything in Batch lives in exactly one of these."""

    partition: str
    account: str
    region: str

    @classmethod
    def of(cls, caller: Caller) -> Place:
        return cls(caller.partition, caller.account, caller.region)

    def arn(self, kind: str, name: str, *, service: str = "batch") -> str:
        """The full name of a thing here, such as ``job-queue`` and its name."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{kind}/{name}"

    def short(self, reference: str, kind: str) -> str | None:
        """The name behind a name or an ARN; None for an ARN of another place or kind."""
        if not reference.startswith("arn:"):
            return reference
        match = _ARN.fullmatch(reference)
        here = match and (match["region"], match["account"], match["kind"]) == (
            self.region,
            self.account,
            kind,
        )
        return match["name"] if match and here else None


def new_id() -> str:
    return str(uuid.uuid4())


def digest(*parts: object) -> str:
    """32 hexadecimal digits that always belong to these parts; what ECS calls its tasks."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def child_id(job_id: str, separator: str, index: int) -> str:
    """``id:3`` for a child of an array, ``id#3`` for a node."""
    return f"{job_id}{separator}{index}"


def split_id(job_id: str) -> tuple[str, int | None]:
    """A job id without and with the index of a child or node. An index that is no number is -1."""
    for separator in ":#":
        base, found, index = job_id.partition(separator)
        if found:
            return base, int(index) if index.isdecimal() else -1
    return job_id, None


def node_range(text: str, last: int) -> Sequence[int] | None:
    """The nodes behind ``0:3``, ``:3``, ``2:``, ``:`` or ``2``; None when it is none of these forms."""
    match = re.fullmatch(r"(\d*)(:?)(\d*)", text)
    if not match or not text:
        return None
    first = int(match[1] or 0)
    if not match[2]:
        return range(first, first + 1)
    return range(first, int(match[3] or last) + 1)
