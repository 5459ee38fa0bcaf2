"""What stands between a valid request and the store: namespaces, service accounts, quotas.

It exists because a pod can be refused for reasons that are not in the pod. It must not judge fields.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import defaults, quantities, statuses
from airflow_provider_jobs.backends.kubernetes.emulator.resources import (
    JOBS,
    NAMESPACES,
    PODS,
    QUOTAS,
    SERVICE_ACCOUNTS,
    ResourceType,
)
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object, Store

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where a token is mounted
_ENDED = ("Succeeded", "Failed")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")

Json = dict[str, Any]


class Admission:
    """Changes and refuses objects on their way in."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def namespace(self, kind: ResourceType, namespace: str, *, name: str) -> None:
        """A namespace must exist and not be on its way out. Raises ApiError (404, 403)."""
        found = self._store.get(NAMESPACES, ("", namespace))
        if found is None:
            raise statuses.not_found(NAMESPACES, namespace)
        if "deletionTimestamp" in found.meta:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise statuses.forbidden(kind, name, why=why)

    def pod(self, pod: Json) -> None:
        """Give a pod its account, token volume and the tolerations of every pod. Raises ApiError (403)."""
        spec, namespace = pod["spec"], pod["metadata"]["namespace"]
        account = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = account
        found = self._store.get(SERVICE_ACCOUNTS, (namespace, account))
        if found is None:
            missing = f'serviceaccount "{account}" not found'
            why = f"error looking up service account {namespace}/{account}: {missing}"
            raise statuses.forbidden(PODS, pod["metadata"].get("name", ""), why=why)
        if spec.get("automountServiceAccountToken", found.get("automountServiceAccountToken", True)):
            _mount_token(spec)
        tolerations = spec.get("tolerations", [])
        present = {(each.get("key"), each.get("effect")) for each in tolerations}
        for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
            if (key, "NoExecute") not in present:
                added = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
                spec["tolerations"] = [*spec.get("tolerations", []), added]
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")

    def quota(self, kind: ResourceType, made: Json) -> None:
        """Quotas of the namespace must have room. Raises ApiError (403)."""
        meta = made["metadata"]
        for quota in self._store.all(QUOTAS, meta.get("namespace", "-")):
            hard = quota.get("spec", {}).get("hard", {})
            wanted = {name: value for name, value in usage(kind, made).items() if name in hard}
            missing = list(_unspecified(kind, made, hard=hard))
            if missing:
                why = f"failed quota: {quota.name}: must specify {'; '.join(missing)}"
                raise statuses.forbidden(kind, meta["name"], why=why)
            used = self.used(quota)
            over = [name for name in wanted if used[name] + wanted[name] > quantities.parse(hard[name])]
            if over:
                told = ", ".join(
                    f"{group}: {','.join(f'{name}={_shown(values[name])}' for name in sorted(over))}"
                    for group, values in (("requested", wanted), ("used", used), ("limited", hard))
                )
                raise statuses.forbidden(kind, meta["name"], why=f"exceeded quota: {quota.name}, {told}")

    def used(self, quota: Object) -> dict[str, Fraction]:
        """What the objects of a quota's namespace use of it."""
        used = {name: Fraction(0) for name in quota.get("spec", {}).get("hard", {})}
        for kind in (PODS, JOBS):
            for found in self._store.each(kind):
                if found.namespace != quota.namespace:
                    continue
                for name, value in usage(kind, found).items():
                    if name in used:
                        used[name] += value
        return used


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else quantities.canonical(_plain(value))


def _plain(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{quantities.ceiling(value * 1000)}m"


def usage(kind: ResourceType, made: Json) -> dict[str, Fraction]:
    """What one object counts for, by the names of quotas."""
    if kind is JOBS:
        return {"count/jobs.batch": Fraction(1)}
    if kind is not PODS:
        return {f"count/{kind.qualified}": Fraction(1), kind.plural: Fraction(1)}
    if made.get("status", {}).get("phase") in _ENDED:
        return {"count/pods": Fraction(1)}
    found = {"count/pods": Fraction(1), "pods": Fraction(1)}
    for group in ("requests", "limits"):
        for name, value in pod_resources(made["spec"], group).items():
            found[f"{group}.{name}"] = value
            if group == "requests" and name in _COMPUTE:
                found[name] = value
    return found


def pod_resources(spec: Json, group: str = "requests") -> dict[str, Fraction]:
    """What a pod asks for: its containers together with its sidecars, or its largest init container."""
    total: dict[str, Fraction] = {}
    largest: dict[str, Fraction] = {}

    def of(container: Json) -> dict[str, Fraction]:
        return {
            name: quantities.parse(value) for name, value in container["resources"].get(group, {}).items()
        }

    sidecars: dict[str, Fraction] = {}
    for container in spec.get("initContainers", []):
        wanted = of(container)
        if container.get("restartPolicy") == "Always":
            for name, value in wanted.items():
                sidecars[name] = sidecars.get(name, Fraction(0)) + value
            continue
        for name, value in wanted.items():
            largest[name] = max(largest.get(name, Fraction(0)), value + sidecars.get(name, Fraction(0)))
    for wanted in (sidecars, *(of(container) for container in spec["containers"])):
        for name, value in wanted.items():
            total[name] = total.get(name, Fraction(0)) + value
    return {
        name: max(total.get(name, Fraction(0)), largest.get(name, Fraction(0)))
        for name in {**total, **largest}
    }


def _unspecified(kind: ResourceType, made: Json, *, hard: Json) -> Iterator[str]:
    """Resources that a quota limits and containers must therefore name."""
    if kind is not PODS:
        return
    for name in sorted(hard):
        group, dot, resource = name.partition(".")
        if not dot:
            group, resource = "requests", name
        if group not in ("requests", "limits") or resource not in _COMPUTE:
            continue
        without = [
            container["name"]
            for container in defaults.containers(made["spec"])
            if resource not in container["resources"].get(group, {})
        ]
        if without:
            yield f"{name} for: {','.join(without)}"


def _mount_token(spec: Json) -> None:
    """The volume of the account's token, in every container that mounts nothing there itself."""
    name = f"kube-api-access-{defaults.suffix()}"
    needed = False
    for container in defaults.containers(spec):
        mounts = container.get("volumeMounts", [])
        if all(mount.get("mountPath") != _TOKEN_PATH for mount in mounts):
            mount = {"name": name, "readOnly": True, "mountPath": _TOKEN_PATH}
            container["volumeMounts"] = [*mounts, mount]
            needed = True
    if needed:
        sources = [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{
                "path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
            }]}},
        ]  # fmt: skip
        volume = {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
        spec["volumes"] = [*spec.get("volumes", []), volume]
