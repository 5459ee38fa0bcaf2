"""The forms that names, labels and small parts of a pod have in Kubernetes.

Checked when a DAG is parsed, so nothing here imports a vendor package.
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from airflow_provider_jobs.core.arguments import form

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"(?:(?P<prefix>[^/]+)/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_RESERVED_LABEL = re.compile(
    r"airflow-(job-key|dag-id|task-id|run-id|attempt|map-index)|managed-by"
    r"|(batch\.kubernetes\.io/)?(job-name|controller-uid|job-completion-index)"
)
_SECRET_KEY = re.compile(r"[^/\s]+/[-._a-zA-Z0-9]{1,253}")
_QUANTITY = re.compile(r"\d+(\.\d+)?([munkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_TOLERATION: dict[str, tuple[str, ...]] = {
    "key": (),
    "operator": ("Exists", "Equal", "Lt", "Gt"),
    "value": (),
    "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    "tolerationSeconds": (),
}
_VARIABLE_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _is_qualified(name: Any) -> bool:
    found = _QUALIFIED.fullmatch(name) if isinstance(name, str) else None
    return bool(found and (found["prefix"] is None or _SUBDOMAIN.fullmatch(found["prefix"])))


def _name_of(value: Any, what: str) -> None:
    if not _is_qualified(value):
        raise ValueError(
            f"{value!r} is no name of {what}. Write at most 63 letters, digits, dashes, dots or underscores, "
            "with a domain and a slash in front where it has one"
        )


def _labels(value: Any) -> Any:
    """Keep https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"""
    for name, text in value.items() if isinstance(value, Mapping) else ():
        _name_of(name, "a label")
        if not isinstance(text, str) or not _LABEL_VALUE.fullmatch(text):
            raise ValueError(
                f"{name} has the value {text!r}. Write at most 63 letters, digits, dashes, dots, underscores "
                "that begin and end with a letter or digit"
            )
        if _RESERVED_LABEL.fullmatch(name):
            raise ValueError(f"{name} is set by the service or by this provider. Use another name")
    return value


def _annotations(value: Any) -> Any:
    for name, text in value.items() if isinstance(value, Mapping) else ():
        _name_of(name, "an annotation")
        if not isinstance(text, str):
            raise ValueError(f"{name} is of type {type(text).__name__}. Write its value as text, with str()")
    return value


def _node_labels(value: Any) -> Any:
    for name, text in value.items() if isinstance(value, Mapping) else ():
        _name_of(name, "a label of a node")
        if not isinstance(text, str) or not _LABEL_VALUE.fullmatch(text):
            raise ValueError(f"{name} has the value {text!r}, which no label has. Write it as text")
    return value


def _secret_references(value: Any) -> Any:
    """Refuse what is no reference to a Secret; never shows it, since it may be the secret itself."""
    for name, reference in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(reference, str) or not _SECRET_KEY.fullmatch(reference):
            raise ValueError(f"{name} holds no reference to a Secret. Write <name of the Secret>/<key in it>")
        if not _SUBDOMAIN.fullmatch(reference.partition("/")[0]):
            raise ValueError(f"{name} names no Secret. Write <name of the Secret>/<key in it>")
    return value


def _quantities(value: Any) -> Any:
    for name, quantity in value.items() if isinstance(value, Mapping) else ():
        _name_of(name, "a resource")
        if isinstance(quantity, bool) or not _QUANTITY.fullmatch(str(quantity)):
            raise ValueError(f'{name} is {quantity!r}. Write a quantity such as "500m", 2 or "4Gi"')
    return {name: str(each) for name, each in value.items()} if isinstance(value, Mapping) else value


def _tolerations(value: Any) -> Any:
    """Keep https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/"""
    for each in value if isinstance(value, (list, tuple)) else ():
        if not isinstance(each, Mapping):
            raise ValueError(
                f'{each!r} is no toleration. Write a dict such as {{"key": "gpu", "value": "yes"}}'
            )
        if unknown := sorted(each.keys() - _TOLERATION.keys()):
            raise ValueError(f"{unknown[0]!r} is no part of a toleration. Known are {', '.join(_TOLERATION)}")
        for name, words in _TOLERATION.items():
            if words and each.get(name) not in (None, *words):
                raise ValueError(f"{name} is {each[name]!r}. Write one of {', '.join(words)}")
    return value


def _policy(actions: tuple[str, ...] = ()) -> BeforeValidator:
    """Return a rule that a policy has rules, each with one of these actions."""

    def check(value: Any) -> Any:
        rules = value.get("rules") if isinstance(value, Mapping) else None
        if not isinstance(rules, (list, tuple)) or not rules:
            raise ValueError('it has no rules. Write {"rules": [...]} in the words of the API')
        for rule in rules:
            if not isinstance(rule, Mapping):
                raise ValueError(f"{rule!r} is no rule. Write a dict in the words of the API")
            if actions and rule.get("action") not in actions:
                raise ValueError(
                    f"a rule has the action {rule.get('action')!r}. Write one of {', '.join(actions)}"
                )
        return value

    return BeforeValidator(check)


def _named_containers(value: Any) -> Any:
    for each in value if isinstance(value, (list, tuple)) else ():
        if not isinstance(each, Mapping) or not isinstance(each.get("image"), str):
            raise ValueError("a container without an image is given. Write a dict with name and image")
        if not isinstance(each.get("name"), str) or not _LABEL.fullmatch(each["name"]):
            raise ValueError(
                f"a container has the name {each.get('name')!r}. Write lower case letters and dashes"
            )
    return value


DnsLabel = Annotated[
    str, form(_LABEL, 'at most 63 lower case letters, digits and dashes, such as "data-team"')
]
ObjectName = Annotated[
    str, form(_SUBDOMAIN, 'a name of lower case letters, digits, dashes and dots, such as "trainer"')
]
KubernetesLabels = Annotated[dict[str, str], BeforeValidator(_labels)]
Annotations = Annotated[dict[str, str], BeforeValidator(_annotations)]
NodeLabels = Annotated[dict[str, str], BeforeValidator(_node_labels)]
SecretReferences = Annotated[dict[str, str], BeforeValidator(_secret_references)]
Quantities = Annotated[dict[str, str], BeforeValidator(_quantities)]
AbsolutePath = Annotated[str, Field(pattern=r"^/")]
Document = dict[str, JsonValue]
Tolerations = Annotated[list[Document], BeforeValidator(_tolerations)]
# https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
PodFailurePolicy = Annotated[Document, _policy(("FailJob", "FailIndex", "Ignore", "Count"))]
# https://kubernetes.io/docs/concepts/workloads/controllers/job/#success-policy
SuccessPolicy = Annotated[Document, _policy()]
Containers = Annotated[list[Document], BeforeValidator(_named_containers)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def _exactly_one(self, *names: str) -> None:
        given = [name for name in names if getattr(self, name) not in (None, False)]
        if len(given) != 1:
            said = " and ".join(given) or "none of them"
            raise ValueError(f"{said} is given. Write exactly one of {', '.join(names)}")


class EnvFrom(_Part):
    """All entries of a ConfigMap or of a Secret as variables.

    https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-configmap/
    """

    configmap: ObjectName | None = None
    secret: ObjectName | None = None
    prefix: Annotated[str, form(_VARIABLE_PREFIX, "the beginning of a name of a variable")] | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _one(self) -> EnvFrom:
        self._exactly_one("configmap", "secret")
        return self


class EmptyDir(_Part):
    """A directory that lives as long as its pod."""

    medium: str | None = None
    size_limit: str | None = None


class Volume(_Part):
    """A volume and where the job's container sees it.

    https://kubernetes.io/docs/concepts/storage/volumes/
    """

    pvc: ObjectName | None = None
    configmap: ObjectName | None = None
    secret: ObjectName | None = None
    empty_dir: bool | EmptyDir | None = None
    host_path: AbsolutePath | None = None
    source: Document | None = None
    mount_path: AbsolutePath
    name: DnsLabel | None = None
    sub_path: str | None = None
    read_only: bool = False

    @model_validator(mode="after")
    def _one(self) -> Volume:
        self._exactly_one("pvc", "configmap", "secret", "empty_dir", "host_path", "source")
        return self


class Resources(_Part):
    """What the job's container asks for and may use at most, where the two differ.

    https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
    """

    requests: Quantities = {}
    limits: Quantities = {}
