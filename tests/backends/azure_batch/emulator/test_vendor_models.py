"""What the vendor's models can say, the dialect can read: nothing a client sends is unknown here."""

from __future__ import annotations

from typing import Any

import pytest
from azure.batch import models
from azure.core.serialization import attribute_list

from airflow_provider_jobs.backends.azure_batch.emulator import job_bodies, pool_bodies, task_bodies
from airflow_provider_jobs.backends.azure_batch.emulator.properties import Body, EnvironmentSetting

PAIRS = [
    (models.BatchTaskCreateOptions, task_bodies.TaskBody),
    (models.BatchTaskConstraints, task_bodies.TaskConstraints),
    (models.BatchTaskContainerSettings, task_bodies.ContainerSettings),
    (models.ResourceFile, task_bodies.ResourceFile),
    (models.OutputFile, task_bodies.OutputFile),
    (models.OutputFileBlobContainerDestination, task_bodies.ContainerDestination),
    (models.ExitConditions, task_bodies.ExitConditions),
    (models.ExitOptions, task_bodies.ExitOptions),
    (models.BatchTaskDependencies, task_bodies.TaskDependencies),
    (models.MultiInstanceSettings, task_bodies.MultiInstance),
    (models.BatchApplicationPackageReference, task_bodies.ApplicationPackage),
    (models.UserIdentity, task_bodies.UserIdentity),
    (models.AutoUserSpecification, task_bodies.AutoUser),
    (models.EnvironmentSetting, EnvironmentSetting),
    (models.BatchJobCreateOptions, job_bodies.JobBody),
    (models.BatchJobUpdateOptions, job_bodies.JobPatch),
    (models.BatchJobConstraints, job_bodies.JobConstraints),
    (models.BatchJobManagerTask, job_bodies.JobManagerTask),
    (models.BatchJobPreparationTask, job_bodies.JobPreparationTask),
    (models.BatchJobReleaseTask, job_bodies.JobReleaseTask),
    (models.BatchPoolInfo, job_bodies.PoolInfo),
    (models.BatchAutoPoolSpecification, job_bodies.AutoPool),
    (models.BatchPoolCreateOptions, pool_bodies.PoolBody),
    (models.BatchPoolSpecification, pool_bodies.PoolSpecification),
    (models.BatchPoolUpdateOptions, pool_bodies.PoolPatch),
    (models.BatchPoolReplaceOptions, pool_bodies.PoolReplacement),
    (models.BatchPoolResizeOptions, pool_bodies.PoolResize),
    (models.BatchPoolEnableAutoScaleOptions, pool_bodies.PoolAutoScale),
    (models.BatchNodeRemoveOptions, pool_bodies.NodeRemoval),
    (models.BatchStartTask, pool_bodies.StartTask),
]


def sent_names(model: type[Any]) -> set[str]:
    """The names under which a model of the vendor's client sends its properties."""
    made = model()
    for attribute in attribute_list(made):
        setattr(made, attribute, "x")
    return set(made.keys())


@pytest.mark.parametrize(("vendor", "ours"), PAIRS, ids=[pair[0].__name__ for pair in PAIRS])
def test_every_property_of_the_vendors_model_is_known(vendor: type[Any], ours: type[Body]):
    known = {field.alias for field in ours.model_fields.values()}
    assert sent_names(vendor) <= known
