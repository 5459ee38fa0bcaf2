"""Names of images: what is a valid one, and which cannot be pulled.

It exists because nothing is pulled here and yet pulls must be able to fail. It must not know pods.
https://kubernetes.io/docs/concepts/containers/images/#image-names
"""

from __future__ import annotations

import re

_HOST = (
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::\d+)?)"
)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::[\w][\w.-]{{0,127}})?(?:@[A-Za-z][\w+.-]*:[0-9a-fA-F]{{32,}})?"
)


def is_valid(name: str) -> bool:
    return _REFERENCE.fullmatch(name) is not None


def tag(name: str) -> str:
    """The tag that an image name carries; ``latest`` where it has none, nothing where it has a digest."""
    if "@" in name:
        return ""
    last = name.rpartition("/")[2]
    return last.partition(":")[2] or "latest"


def registry(name: str) -> str:
    """The registry's host."""
    first, slash, _ = name.partition("/")
    return first if slash and (("." in first) or (":" in first) or first == "localhost") else "docker.io"


def full_name(name: str) -> str:
    """With registry and tag, as the runtime says it."""
    host = registry(name)
    path = name.removeprefix(f"{host}/")
    if host == "docker.io" and "/" not in path:
        path = f"library/{path}"
    return f"{host}/{path}" if tag(name) != "latest" or name.endswith(":latest") else f"{host}/{path}:latest"


def cannot_be_pulled(name: str) -> str | None:
    """Why the image cannot be pulled, in the runtime's words; None when it can.

    Hosts below ``.invalid`` exist nowhere (RFC 2606): an image there is missing, and all others are there.
    """
    host = registry(name).partition(":")[0]
    if host != "invalid" and not host.endswith(".invalid"):
        return None
    full = full_name(name)
    path = full.removeprefix(f"{registry(name)}/").partition("@")[0].rpartition(":")[0]
    return (
        f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": '
        f'failed to do request: Head "https://{registry(name)}/v2/{path}/manifests/{tag(name)}": '
        f"dial tcp: lookup {host}: no such host"
    )
