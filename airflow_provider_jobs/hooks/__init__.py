"""The hooks of every backend under one roof, each imported only when its name is used."""

from __future__ import annotations

from typing import Any

from airflow_provider_jobs.core.registry import backends, load

_PATHS = {entry.hook.rpartition(":")[2]: entry for entry in backends()}


def __getattr__(name: str) -> Any:
    """Return the hook of this name.

    :raises MissingExtra: the vendor's packages are not installed; says what to install
    """
    entry = _PATHS.get(name)
    if entry is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    entry.check_installed()
    return load(entry.hook)


def __dir__() -> list[str]:
    return sorted(_PATHS)
