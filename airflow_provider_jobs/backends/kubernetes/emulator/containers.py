"""What a container runs and sees: its command line and its variables.

It exists so that a command finds exactly the variables that a cluster would set. It must not start anything.
https://kubernetes.io/docs/tasks/inject-data-application/
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import quantities
from airflow_provider_jobs.backends.kubernetes.emulator.resources import (
    CLAIMS,
    CONFIG_MAPS,
    SECRETS,
    ResourceType,
)
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object, Store
from airflow_provider_jobs.emulator.secretfile import SecretFile

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")
_ENV_FROM_NAME = re.compile(r"[ -<>-~]+")
_API = "10.96.0.1"
#: What every container finds about the API server, unless enableServiceLinks is off.
SERVICE_LINKS = {
    "KUBERNETES_SERVICE_HOST": _API,
    "KUBERNETES_SERVICE_PORT": "443",
    "KUBERNETES_SERVICE_PORT_HTTPS": "443",
    "KUBERNETES_PORT": f"tcp://{_API}:443",
    "KUBERNETES_PORT_443_TCP": f"tcp://{_API}:443",
    "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
    "KUBERNETES_PORT_443_TCP_PORT": "443",
    "KUBERNETES_PORT_443_TCP_ADDR": _API,
}

Json = Mapping[str, Any]


class ConfigError(Exception):
    """A variable cannot be made: what it refers to is not there."""


def expand(text: str, known: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by the variable of that name; ``$$`` is one dollar, unknown names stay."""

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return known.get(match[1], match[0])

    return _REFERENCE.sub(replaced, text)


def command_line(container: Json, env: Mapping[str, str]) -> tuple[str, ...]:
    """The command and its arguments. Nothing is known of an image: without a command it does nothing."""
    words = [*container.get("command", []), *container.get("args", [])]
    return tuple(expand(word, env) for word in words) or ("true",)


class Variables:
    """The variables of one container.

    :param secrets: values of Secrets that are not in the cluster, as ``name/key``
    """

    def __init__(self, pod: Object, container: Json, *, store: Store, secrets: SecretFile) -> None:
        self._pod = pod
        self._container = container
        self._store = store
        self._secrets = secrets

    def all(self) -> dict[str, str]:
        """Every variable. Raises ConfigError."""
        found = {"HOSTNAME": self._pod["spec"].get("hostname") or self._pod.name}
        if self._pod["spec"].get("enableServiceLinks", True):
            found |= SERVICE_LINKS
        for source in self._container.get("envFrom", []):
            found |= self._whole(source)
        for variable in self._container.get("env", []):
            value = self._value(variable, known=found)
            if value is not None:
                found[variable["name"]] = value
        return found

    def _whole(self, source: Json) -> dict[str, str]:
        """A ConfigMap or Secret as variables; keys that cannot be names are left out."""
        field, kind = ("configMapRef", CONFIG_MAPS) if "configMapRef" in source else ("secretRef", SECRETS)
        reference = source[field]
        held = self._store.get(kind, (self._pod.namespace, reference["name"]))
        if held is None and reference.get("optional"):
            return {}
        if held is None:
            raise _not_found(kind, reference)
        pairs = ((source.get("prefix", "") + key, value) for key, value in texts(kind, held).items())
        return {key: value for key, value in pairs if _ENV_FROM_NAME.fullmatch(key)}

    def _value(self, variable: Json, *, known: Mapping[str, str]) -> str | None:
        """None where an optional source is missing."""
        source = variable.get("valueFrom")
        if source is None:
            return expand(variable.get("value", ""), known)
        if "fieldRef" in source:
            return field_value(self._pod, source["fieldRef"]["fieldPath"])
        if "resourceFieldRef" in source:
            return _resource_value(self._pod, self._container, reference=source["resourceFieldRef"])
        if "configMapKeyRef" in source:
            return self._entry(CONFIG_MAPS, source["configMapKeyRef"])
        return self._entry(SECRETS, source["secretKeyRef"])

    def _entry(self, kind: ResourceType, reference: Json) -> str | None:
        held = self._store.get(kind, (self._pod.namespace, reference["name"]))
        value = None if held is None else texts(kind, held).get(reference["key"])
        if value is None and kind is SECRETS:
            value = self._secrets.get(f"{reference['name']}/{reference['key']}")
        if value is not None or reference.get("optional"):
            return value
        if held is None:
            raise _not_found(kind, reference)
        place = f"{self._pod.namespace}/{reference['name']}"
        raise ConfigError(f"couldn't find key {reference['key']} in {kind.kind} {place}")


def _not_found(kind: ResourceType, reference: Json) -> ConfigError:
    return ConfigError(f'{kind.kind.lower()} "{reference["name"]}" not found')


def texts(kind: ResourceType, held: Object) -> dict[str, str]:
    """The entries of a ConfigMap or Secret."""
    data = held.get("data") or {}
    if kind is CONFIG_MAPS:
        return dict(data)
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}


def field_value(pod: Object, path: str) -> str:
    """What a field of the pod holds, as text."""
    if match := _SUBSCRIPT.fullmatch(path):
        return pod.meta.get(match[1], {}).get(match[2], "")
    if path in ("status.podIPs", "status.hostIPs"):
        return ",".join(each["ip"] for each in pod["status"].get(path.partition(".")[2], []))
    value: Any = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


def _resource_value(pod: Object, container: Json, *, reference: Json) -> str:
    group, _, name = reference["resource"].partition(".")
    named = reference.get("containerName")
    if named:
        container = next((each for each in pod["spec"]["containers"] if each["name"] == named), container)
    value = quantities.parse(container["resources"].get(group, {}).get(name, "0"))
    divisor = quantities.parse(reference.get("divisor") or "1") or 1
    return str(quantities.ceiling(value / divisor))


def missing_volumes(pod: Object, store: Store) -> Iterator[tuple[str, str]]:
    """Volumes that cannot be mounted, and why."""
    sources = (("configMap", "name", CONFIG_MAPS), ("secret", "secretName", SECRETS))
    for volume in pod["spec"].get("volumes", []):
        for field, key, kind in sources:
            source = volume.get(field)
            if source is None or source.get("optional"):
                continue
            if store.get(kind, (pod.namespace, source[key])) is None:
                yield volume["name"], f'{kind.kind.lower()} "{source[key]}" not found'
        claim = volume.get("persistentVolumeClaim")
        if claim is not None and store.get(CLAIMS, (pod.namespace, claim["claimName"])) is None:
            yield volume["name"], f'persistentvolumeclaim "{claim["claimName"]}" not found'
