"""The base of every model that crosses a process: trigger kwargs, XCom, task state, events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict
from typing_extensions import Self

if TYPE_CHECKING:
    # The type below is pendulum's with a validator; to a type checker it is pendulum's.
    from pendulum import DateTime
else:
    from pydantic_extra_types.pendulum_dt import DateTime

__all__ = ["DateTime", "Wire"]


class Wire(BaseModel):
    """A frozen model that encodes to plain JSON. No secret is ever in one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types, without what equals its default."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read what :meth:`to_json` wrote.

        :raises pydantic.ValidationError: the data is of another shape or version
        """
        return cls.model_validate(data)
