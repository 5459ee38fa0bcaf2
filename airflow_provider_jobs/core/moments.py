"""The type of a moment in a model. A module of its own, since most models at DAG parse have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The type below is pendulum's with a validator; to a type checker it is pendulum's.
    from pendulum import DateTime
else:
    from pydantic_extra_types.pendulum_dt import DateTime

__all__ = ["DateTime"]
