"""Secret values, from the one file named at start.

It exists so that a job's secrets never come from the server's environment. Values are handed to the plan of
an attempt and to nothing else; they must not be logged, listed or put into an error.
"""

from __future__ import annotations

import json
from pathlib import Path


class SecretFileError(Exception):
    """The secrets file cannot be used. The message names the file, never a value."""


class SecretFile:
    """A JSON object of reference to value, read once."""

    def __init__(self, path: Path | None) -> None:
        self._values: dict[str, str] = {} if path is None else _read(path)

    def get(self, reference: str) -> str | None:
        """The value behind the reference exactly as it is written in the file, or None."""
        return self._values.get(reference)

    def __repr__(self) -> str:
        return f"SecretFile({len(self._values)} references)"


def _read(path: Path) -> dict[str, str]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SecretFileError(f"secrets file {path}: {error.strerror}") from None
    except ValueError:
        raise SecretFileError(f"secrets file {path}: not JSON") from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise SecretFileError(f"secrets file {path}: must be a JSON object of reference to text") from None
    return values
