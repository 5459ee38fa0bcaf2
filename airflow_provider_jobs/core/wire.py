"""The base of every model that crosses a process: trigger kwargs, XCom, task state, events."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from typing_extensions import Self

_NOT_KEPT: set[str] = set()


class Wire(BaseModel):
    """A frozen model that encodes to plain JSON. No secret is ever in one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002 - pydantic's signature
        """Forget which fields were given: nobody asks, and thousands of these sets lie in a triggerer."""
        object.__setattr__(self, "__pydantic_fields_set__", _NOT_KEPT)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, without what equals its default."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read what :meth:`to_json` wrote.

        :raises pydantic.ValidationError: the data is of another shape or version
        """
        return cls.model_validate(data)
