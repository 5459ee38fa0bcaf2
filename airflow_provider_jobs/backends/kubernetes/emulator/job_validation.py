"""What the server refuses in a job, and what may not change in one that exists.

It exists to answer 422 with the causes that a cluster would name. It must not change the job.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import names, selection
from airflow_provider_jobs.backends.kubernetes.emulator.defaults import CONTROLLER_UID, containers
from airflow_provider_jobs.backends.kubernetes.emulator.pod_validation import pod_spec_causes
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import (
    Cause,
    duplicate,
    forbidden_field,
    invalid,
    required,
    unsupported,
)

_MAX_PARALLELISM = 100_000
_MAX_RULES, _MAX_VALUES, _MAX_CONDITIONS = 20, 255, 20
_CONTAINER_WORDS = "must be one of the container or initContainer names in the pod template"
_NOT_NEGATIVE = "must be greater than or equal to 0"
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "backoffLimitPerIndex",
    "maxFailedIndexes", "ttlSecondsAfterFinished",
)  # fmt: skip
_FIXED = (
    "completions", "selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy",
    "successPolicy", "manualSelector",
)  # fmt: skip

Json = Mapping[str, Any]


def job_causes(job: Json) -> list[Cause]:
    """What is wrong with a new job, defaults and selector filled in."""
    causes = list(_selector_causes(job))
    causes += _spec_causes(job["spec"], name=job["metadata"].get("name", ""))
    return causes


def _selector_causes(job: Json) -> Iterator[Cause]:
    spec = job["spec"]
    selector = spec.get("selector")
    if not selector:
        yield required("spec.selector")
        return
    labels = spec["template"]["metadata"].get("labels", {})
    if not spec.get("manualSelector") and selector != {
        "matchLabels": {CONTROLLER_UID: job["metadata"].get("uid")}
    }:
        yield invalid("spec.selector", selector, detail="`selector` not auto-generated")
    if not all(requirement.met(labels) for requirement in selection.of_selector(selector)):
        yield invalid(
            "spec.template.metadata.labels", labels, detail="`selector` does not match template `labels`"
        )


def _spec_causes(spec: Json, *, name: str) -> Iterator[Cause]:
    for field in _COUNTS:
        if spec.get(field) is not None and spec[field] < 0:
            yield invalid(f"spec.{field}", spec[field], detail=_NOT_NEGATIVE)
    mode = spec["completionMode"]
    if mode not in ("Indexed", "NonIndexed"):
        yield unsupported("spec.completionMode", mode, allowed=("Indexed", "NonIndexed"))
    if mode == "Indexed":
        yield from _indexed_causes(spec, name=name)
    yield from _per_index_causes(spec)
    template = spec["template"]["spec"]
    if "podFailurePolicy" in spec:
        yield from _policy_causes(spec, template)
    if "successPolicy" in spec:
        yield from _success_causes(spec)
    if spec["podReplacementPolicy"] not in ("Failed", "TerminatingOrFailed"):
        yield unsupported(
            "spec.podReplacementPolicy",
            spec["podReplacementPolicy"],
            allowed=("Failed", "TerminatingOrFailed"),
        )
    meta = spec["template"]["metadata"]
    yield from names.label_causes(meta.get("labels", {}), "spec.template.labels")
    yield from names.annotation_causes(meta.get("annotations", {}), "spec.template.annotations")
    yield from pod_spec_causes(template, "spec.template.spec")
    if template["restartPolicy"] == "Always":
        yield required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')


def _indexed_causes(spec: Json, *, name: str) -> Iterator[Cause]:
    if "completions" not in spec:
        yield required("spec.completions", "when completion mode is Indexed")
        return
    if spec["parallelism"] > _MAX_PARALLELISM:
        yield invalid(
            "spec.parallelism",
            spec["parallelism"],
            detail=f"must be less than or equal to {_MAX_PARALLELISM} when completion mode is Indexed",
        )
    longest = f"{name}-{spec['completions'] - 1}"
    if spec["completions"] > 0 and not names.subdomain_faults(name):
        for fault in names.label_faults(longest):
            words = f"will not able to create pod with invalid DNS label: {longest}: {fault}"
            yield invalid("metadata.name", name, detail=words)


def _per_index_causes(spec: Json) -> Iterator[Cause]:
    if "backoffLimitPerIndex" in spec:
        if spec["completionMode"] != "Indexed":
            yield invalid(
                "spec.backoffLimitPerIndex",
                spec["backoffLimitPerIndex"],
                detail="requires indexed completion mode",
            )
        if spec["template"]["spec"]["restartPolicy"] != "Never":
            yield invalid(
                "spec.template.spec.restartPolicy",
                spec["template"]["spec"]["restartPolicy"],
                detail="must be Never when backoffLimitPerIndex is specified",
            )
    if "maxFailedIndexes" in spec:
        if "backoffLimitPerIndex" not in spec:
            yield required("spec.backoffLimitPerIndex", "when maxFailedIndexes is specified")
        if spec["maxFailedIndexes"] > spec.get("completions", 0):
            yield invalid(
                "spec.maxFailedIndexes",
                spec["maxFailedIndexes"],
                detail=f"must be less than or equal to {spec.get('completions', 0)}",
            )


def _policy_causes(spec: Json, template: Json) -> Iterator[Cause]:
    if template["restartPolicy"] != "Never":
        yield invalid(
            "spec.template.spec.restartPolicy",
            template["restartPolicy"],
            detail='only "Never" is supported when podFailurePolicy is specified',
        )
    rules = spec["podFailurePolicy"].get("rules", [])
    if len(rules) > _MAX_RULES:
        yield Cause(
            "FieldValueTooMany",
            f"Too many: {len(rules)}: must have at most {_MAX_RULES} items",
            "spec.podFailurePolicy.rules",
        )
    known = {container.get("name") for container in containers(dict(template))}
    for number, rule in enumerate(rules):
        place = f"spec.podFailurePolicy.rules[{number}]"
        yield from _rule_causes(rule, place, spec=spec, known=known)
    if spec["podReplacementPolicy"] == "TerminatingOrFailed":
        yield unsupported("spec.podReplacementPolicy", spec["podReplacementPolicy"], allowed=("Failed",))


def _rule_causes(rule: Json, place: str, *, spec: Json, known: set[Any]) -> Iterator[Cause]:
    action = rule.get("action", "")
    if not action:
        yield required(f"{place}.action", f"valid values: {', '.join(f'{name!r}' for name in _ACTIONS)}")
    elif action not in _ACTIONS:
        yield unsupported(f"{place}.action", action, allowed=_ACTIONS)
    elif action == "FailIndex" and "backoffLimitPerIndex" not in spec:
        yield invalid(f"{place}.action", action, detail="requires the backoffLimitPerIndex to be set")
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions", [])
    if codes and conditions:
        yield invalid(place, rule, detail="specifying both OnExitCodes and OnPodConditions is not supported")
    if not codes and not conditions:
        yield invalid(place, rule, detail="specifying one of OnExitCodes and OnPodConditions is required")
    if codes:
        yield from _exit_code_causes(codes, f"{place}.onExitCodes", known=known)
    if len(conditions) > _MAX_CONDITIONS:
        yield Cause(
            "FieldValueTooMany",
            f"Too many: {len(conditions)}: must have at most {_MAX_CONDITIONS} items",
            f"{place}.onPodConditions",
        )
    for at, pattern in enumerate(conditions):
        here = f"{place}.onPodConditions[{at}]"
        faults = names.qualified_faults(pattern.get("type", ""))
        yield from (invalid(f"{here}.type", pattern.get("type", ""), detail=fault) for fault in faults)
        if pattern.get("status") not in ("True", "False", "Unknown"):
            yield unsupported(f"{here}.status", pattern.get("status"), allowed=("False", "True", "Unknown"))


def _exit_code_causes(codes: Json, place: str, *, known: set[Any]) -> Iterator[Cause]:
    operator, values = codes.get("operator", ""), codes.get("values", [])
    if operator not in ("In", "NotIn"):
        yield unsupported(f"{place}.operator", operator, allowed=("In", "NotIn"))
    if codes.get("containerName") is not None and codes["containerName"] not in known:
        yield invalid(f"{place}.containerName", codes["containerName"], detail=_CONTAINER_WORDS)
    if not values:
        yield invalid(f"{place}.values", values, detail="at least one value is required")
    elif len(values) > _MAX_VALUES:
        yield Cause(
            "FieldValueTooMany",
            f"Too many: {len(values)}: must have at most {_MAX_VALUES} items",
            f"{place}.values",
        )
    for at, value in enumerate(values):
        if operator == "In" and value == 0:
            yield invalid(f"{place}.values[{at}]", value, detail="must not be 0 for the In operator")
        if value in values[:at]:
            yield duplicate(f"{place}.values[{at}]", value)
    if values != sorted(values):
        yield invalid(f"{place}.values", values, detail="must be ordered")


def _success_causes(spec: Json) -> Iterator[Cause]:
    place = "spec.successPolicy"
    if spec["completionMode"] != "Indexed":
        yield invalid(place, spec["successPolicy"], detail="requires indexed completion mode")
        return
    rules, completions = spec["successPolicy"].get("rules", []), spec.get("completions", 0)
    if not rules:
        yield required(
            f"{place}.rules", "at least one rules must be specified when the successPolicy is specified"
        )
    for number, rule in enumerate(rules):
        here = f"{place}.rules[{number}]"
        indexes, count = rule.get("succeededIndexes"), rule.get("succeededCount")
        if indexes is None and count is None:
            yield required(here, "at least one of succeededCount or succeededIndexes must be specified")
        if count is not None and count < 1:
            yield invalid(f"{here}.succeededCount", count, detail="must be greater than or equal to 1")
        elif count is not None and count > completions:
            words = f"must be less than or equal to {completions} (the number of specified completions)"
            yield invalid(f"{here}.succeededCount", count, detail=words)
        if indexes is not None and not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", indexes):
            yield invalid(f"{here}.succeededIndexes", indexes, detail="error parsing succeededIndexes")


def job_update_causes(new: Json, old: Json) -> list[Cause]:
    """What may not change in a job that exists."""
    before, after = old["spec"], new["spec"]
    causes = [] if after.get("selector") else [required("spec.selector")]
    causes += [
        invalid(f"spec.{field}", after.get(field), detail="field is immutable")
        for field in _FIXED
        if before.get(field) != after.get(field) and not (field == "completions" and _elastic(after, before))
    ]
    if not _template_may_change(old, new) and before["template"] != after["template"]:
        causes.append(invalid("spec.template", after["template"], detail="field is immutable"))
    causes += [
        invalid(f"spec.{field}", after[field], detail=_NOT_NEGATIVE)
        for field in _COUNTS
        if after.get(field) is not None and after[field] < 0
    ]
    if after.get("podReplacementPolicy") not in ("Failed", "TerminatingOrFailed"):
        causes.append(forbidden_field("spec.podReplacementPolicy", "may not be removed"))
    return causes


def _elastic(after: Json, before: Json) -> bool:
    """Elastic indexed jobs: completions may change together with parallelism."""
    return (
        after["completionMode"] == "Indexed"
        and after.get("completions") is not None
        and before.get("completions") is not None
        and after["completions"] == after["parallelism"]
    )


def _template_may_change(old: Json, new: Json) -> bool:
    """Scheduling directives of a suspended job that never ran may change; all else must stay."""
    if not old["spec"].get("suspend") or old.get("status", {}).get("startTime"):
        return False
    return _placed_anywhere(old) == _placed_anywhere(new)


def _placed_anywhere(job: Json) -> Json:
    """The pods of a job without what decides where they run."""
    placing = ("nodeSelector", "affinity", "tolerations", "schedulingGates")
    spec = job["spec"]["template"]["spec"]
    return {key: value for key, value in spec.items() if key not in placing}
