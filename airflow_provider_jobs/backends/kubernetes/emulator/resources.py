"""The kinds of objects that are served: their names, where they live, what can be done to them.

It exists as the one table that paths, discovery, documents and columns are read from. A further kind is a
further row. It must not hold behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass

_ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class ResourceType:
    """One kind. ``model`` is the class of the official client that describes its fields."""

    group: str
    version: str
    plural: str
    kind: str
    model: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _ALL_VERBS
    subresources: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    list_metadata_only: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name in error messages: ``jobs.batch``, ``pods``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        return self.kind.lower()


_STATUS = ("get", "patch", "update")
NAMESPACES = ResourceType(
    "", "v1", "namespaces", "Namespace", "V1Namespace", namespaced=False, short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
)  # fmt: skip
NODES = ResourceType("", "v1", "nodes", "Node", "V1Node", namespaced=False, short_names=("no",))
PODS = ResourceType(
    "", "v1", "pods", "Pod", "V1Pod", short_names=("po",), categories=("all",),
    subresources=(
        ("eviction", "Eviction", ("create",)), ("log", "Pod", ("get",)), ("status", "Pod", _STATUS)
    ),
)  # fmt: skip
EVENTS = ResourceType("", "v1", "events", "Event", "CoreV1Event", short_names=("ev",))
CONFIG_MAPS = ResourceType("", "v1", "configmaps", "ConfigMap", "V1ConfigMap", short_names=("cm",))
SECRETS = ResourceType("", "v1", "secrets", "Secret", "V1Secret")
CLAIMS = ResourceType(
    "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "V1PersistentVolumeClaim",
    short_names=("pvc",),
)  # fmt: skip
SERVICE_ACCOUNTS = ResourceType(
    "", "v1", "serviceaccounts", "ServiceAccount", "V1ServiceAccount", short_names=("sa",)
)
QUOTAS = ResourceType(
    "", "v1", "resourcequotas", "ResourceQuota", "V1ResourceQuota", short_names=("quota",),
)  # fmt: skip
JOBS = ResourceType(
    "batch", "v1", "jobs", "Job", "V1Job", categories=("all",), subresources=(("status", "Job", _STATUS),)
)
#: The same objects as ``EVENTS`` in another group and with other field names.
NEW_EVENTS = ResourceType(
    "events.k8s.io", "v1", "events", "Event", "EventsV1Event", short_names=("ev",),
    verbs=("delete", "deletecollection", "get", "list", "watch"),
)  # fmt: skip
ACCESS_REVIEWS = ResourceType(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview",
    "V1SelfSubjectAccessReview", namespaced=False, verbs=("create",),
)  # fmt: skip
RULES_REVIEWS = ResourceType(
    "authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview",
    "V1SelfSubjectRulesReview", namespaced=False, verbs=("create",),
)  # fmt: skip
SELF_REVIEWS = ResourceType(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", "V1SelfSubjectReview",
    namespaced=False, verbs=("create",),
)  # fmt: skip

#: Every kind that is served, in the order of discovery.
SERVED: tuple[ResourceType, ...] = (
    CONFIG_MAPS, EVENTS, NAMESPACES, NODES, CLAIMS, PODS, QUOTAS, SECRETS, SERVICE_ACCOUNTS,
    JOBS, NEW_EVENTS, ACCESS_REVIEWS, RULES_REVIEWS, SELF_REVIEWS,
)  # fmt: skip
BY_PLACE: dict[tuple[str, str, str], ResourceType] = {
    (kind.group, kind.version, kind.plural): kind for kind in SERVED
}
#: Groups with their one version, core first.
GROUPS: tuple[tuple[str, str], ...] = tuple(
    sorted({(kind.group, kind.version) for kind in SERVED}, key=lambda pair: (pair[0] != "", pair[0]))
)
