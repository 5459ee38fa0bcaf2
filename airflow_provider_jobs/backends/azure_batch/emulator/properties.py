"""The kinds of values in requests, and what several bodies share.

It exists so that words, spans and counts are read alike everywhere. It must not know a resource.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt
from pydantic.alias_generators import to_camel

from airflow_provider_jobs.backends.azure_batch.emulator.wire import duration, duration_seconds


def words(*known: str) -> Callable[[str], str]:
    """A check that takes these words in any case and gives them as the service writes them."""
    by_lower = {word.lower(): word for word in known}

    def check(value: str) -> str:
        if value.lower() not in by_lower:
            raise ValueError(f"must be one of {', '.join(known)}")
        return by_lower[value.lower()]

    return check


def _span(value: str) -> str:
    return duration(duration_seconds(value))


#: Ids of pools, jobs and tasks.
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]
DisplayName = Annotated[str, Field(max_length=1024)]
Text = Annotated[str, Field(min_length=1)]
#: A duration, as the service writes it.
Span = Annotated[str, AfterValidator(_span)]
Count = Annotated[StrictInt, Field(ge=0)]
RetryCount = Annotated[StrictInt, Field(ge=-1)]
Slots = Annotated[StrictInt, Field(ge=1, le=256)]
#: Taken as it comes.
Opaque = dict[str, Any]


class Body(BaseModel):
    """A JSON object of the service: names in camel case, nothing unknown."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    def wire(self) -> dict[str, Any]:
        """As the service answers it: no nulls."""
        return self.model_dump(by_alias=True, exclude_none=True)


class EnvironmentSetting(Body):
    name: Text
    value: str | None = Field(default=None, repr=False)


class MetadataItem(Body):
    name: str
    value: str
