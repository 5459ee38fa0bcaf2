"""The calls of AWS Batch and of its logs, one method each, with Airflow's AWS connection.

Every call has a timeout and is sent once: repeating is the engine's business, or the caller's. It takes
and returns the service's own fields and knows nothing of job specs and states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.backends.aws_batch import details, errors, streams
from airflow_provider_jobs.backends.aws_batch.connection import AwsConnectionHook
from airflow_provider_jobs.core.errors import BackendError, NotFound
from airflow_provider_jobs.core.models import LogLine
from airflow_provider_jobs.hooks.base import translated

Fields = dict[str, Any]

# https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html
MAX_DESCRIBED = 100
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
MAX_FILTERED_STREAMS = 100
_MAX_REASON = 1024


@dataclass(frozen=True)
class Page:
    """One page of a list; an empty token means the last."""

    items: Sequence[Fields]
    next_token: str


class AwsBatchHook(AwsConnectionHook):
    """Talks to AWS Batch and CloudWatch Logs with a connection of type ``aws``.

    Credentials, region, role and ``endpoint_url`` are those of the connection, as the Amazon provider
    reads them; ``service_config`` may name an endpoint of its own for ``batch`` and for ``logs``. Where the
    default connection does not exist, boto3's own search for credentials is used; any other has to exist.

    Every method raises errors of :mod:`airflow_provider_jobs.core.errors`. May be used from several threads.

    :param aws_conn_id: the connection; ``None`` for boto3's own search for credentials
    :param region_name: the region; the connection's if not given
    :param connect_seconds: how long to wait for a connection
    :param read_seconds: how long to wait for an answer
    """

    # Jobs

    @translated(*errors.VENDOR_EXCEPTIONS)
    def submit_job(self, **request: Any) -> Fields:
        """Submit a job and return its ``jobId``, ``jobName`` and ``jobArn``.

        The service takes no token that would make this idempotent, and names are not unique.
        https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html

        :param request: the service's fields: ``jobName``, ``jobQueue``, ``jobDefinition`` and the rest
        :raises AmbiguousError: it was sent and no answer came
        """
        return _body(self.batch.submit_job(**request))

    def describe_jobs(self, job_ids: Sequence[str]) -> list[Fields]:
        """Return the jobs that exist, in the service's order, with one call per 100 ids."""
        return [
            job
            for start in range(0, len(job_ids), MAX_DESCRIBED)
            for job in self._describe_jobs(job_ids[start : start + MAX_DESCRIBED])
        ]

    def get_job(self, job_id: str) -> Fields:
        """Return one job.

        :raises NotFound: there is none
        """
        for job in self.describe_jobs([job_id]):
            return job
        raise NotFound(f"there is no job {job_id}", call="describe_jobs")

    def list_jobs(
        self,
        job_queue: str | None = None,
        *,
        array_job_id: str | None = None,
        multi_node_job_id: str | None = None,
        status: str | None = None,
        name: str | None = None,
        filters: Sequence[Mapping[str, Any]] | None = None,
        page_size: int | None = None,
    ) -> Iterator[Fields]:
        """Yield summaries of jobs, page after page as they are asked for.

        :param job_queue: of this queue, its jobs without the children of arrays
        :param array_job_id: or the children of this array
        :param multi_node_job_id: or the nodes of this job
        :param status: in this status; the service lists ``RUNNING`` ones only where nothing is given
        :param name: jobs of a queue with this name, in every status; a star at its end matches any rest
        :param filters: the service's own filters, instead of ``name``
        """
        return self._pages(
            lambda token: self.list_jobs_page(
                job_queue,
                array_job_id=array_job_id,
                multi_node_job_id=multi_node_job_id,
                status=status,
                filters=[{"name": "JOB_NAME", "values": [name]}] if name else filters,
                page_size=page_size,
                page_token=token,
            )
        )

    @translated(*errors.VENDOR_EXCEPTIONS)
    def list_jobs_page(
        self,
        job_queue: str | None = None,
        *,
        array_job_id: str | None = None,
        multi_node_job_id: str | None = None,
        status: str | None = None,
        filters: Sequence[Mapping[str, Any]] | None = None,
        page_size: int | None = None,
        page_token: str = "",
    ) -> Page:
        """Return one page of summaries of jobs, in one call.

        https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
        """
        answer = self.batch.list_jobs(
            **_given(
                jobQueue=job_queue,
                arrayJobId=array_job_id,
                multiNodeJobId=multi_node_job_id,
                jobStatus=status,
                filters=filters,
                maxResults=page_size,
                nextToken=page_token,
            )
        )
        return Page(answer["jobSummaryList"], answer.get("nextToken") or "")

    @translated(*errors.VENDOR_EXCEPTIONS)
    def terminate_job(self, job_id: str, reason: str) -> None:
        """Stop a job in any status; an array with all its children. One that has ended stays as it is.

        https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html
        """
        self.batch.terminate_job(jobId=job_id, reason=reason[:_MAX_REASON])

    @translated(*errors.VENDOR_EXCEPTIONS)
    def cancel_job(self, job_id: str, reason: str) -> None:
        """Take a job out of its queue; one that is starting or running is left alone.

        https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html
        """
        self.batch.cancel_job(jobId=job_id, reason=reason[:_MAX_REASON])

    # Job definitions

    @translated(*errors.VENDOR_EXCEPTIONS)
    def register_job_definition(self, **definition: Any) -> Fields:
        """Register the next revision of a job definition and return its name, ARN and revision.

        https://docs.aws.amazon.com/batch/latest/APIReference/API_RegisterJobDefinition.html

        :param definition: the service's fields: ``jobDefinitionName``, ``type`` and the rest
        """
        return _body(self.batch.register_job_definition(**definition))

    @translated(*errors.VENDOR_EXCEPTIONS)
    def deregister_job_definition(self, job_definition: str) -> None:
        """Make a revision of a job definition inactive.

        :param job_definition: its ARN, or ``name:revision``
        """
        self.batch.deregister_job_definition(jobDefinition=job_definition)

    def describe_job_definitions(
        self,
        job_definitions: Sequence[str] | None = None,
        *,
        name: str | None = None,
        status: str | None = None,
    ) -> Iterator[Fields]:
        """Yield job definitions, page after page as they are asked for.

        :param job_definitions: these, as ARN or ``name:revision``, up to 100; leave out the others then
        :param name: the revisions of this name
        :param status: ``ACTIVE`` or ``INACTIVE``
        """
        return self._pages(
            lambda token: self._describe_job_definitions(job_definitions, name, status=status, token=token)
        )

    # Where jobs run

    def describe_job_queues(self, job_queues: Sequence[str] | None = None) -> Iterator[Fields]:
        """Yield job queues: these, by name or ARN, or all."""
        return self._pages(lambda token: self._describe_job_queues(job_queues, token=token))

    def describe_compute_environments(
        self, compute_environments: Sequence[str] | None = None
    ) -> Iterator[Fields]:
        """Yield compute environments: these, by name or ARN, or all."""
        return self._pages(
            lambda token: self._describe_compute_environments(compute_environments, token=token)
        )

    @translated(*errors.VENDOR_EXCEPTIONS)
    def get_job_queue_snapshot(self, job_queue: str) -> Fields:
        """Return the first 100 jobs that wait in a queue, in the order in which they will run."""
        return _body(self.batch.get_job_queue_snapshot(jobQueue=job_queue))

    # Logs

    @translated(*errors.VENDOR_EXCEPTIONS)
    def filter_log_events(
        self,
        log_group: str,
        log_streams: Sequence[str],
        *,
        start_ms: int = 0,
        page_token: str = "",
        page_size: int | None = None,
        region: str | None = None,
    ) -> Page:
        """Return one page of events of up to 100 streams, oldest first, in one call.

        An empty page with a token is not the last. The service takes about 5 of these calls per second,
        account and region.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html

        :param start_ms: from this time on, milliseconds since 1970
        :param region: of the log group, where it is another than that of the jobs
        """
        answer = self.logs(region).filter_log_events(
            **_given(
                logGroupName=log_group,
                logStreamNames=list(log_streams),
                startTime=start_ms,
                nextToken=page_token,
                limit=page_size,
            )
        )
        return Page(answer["events"], answer.get("nextToken") or "")

    @translated(*errors.VENDOR_EXCEPTIONS)
    def get_log_events(
        self,
        log_group: str,
        log_stream: str,
        *,
        page_token: str = "",
        page_size: int | None = None,
        region: str | None = None,
    ) -> Page:
        """Return one page of events of one stream, oldest first, in one call.

        The token is never empty: at the end it is the one that was given.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
        """
        answer = self.logs(region).get_log_events(
            **_given(
                logGroupName=log_group,
                logStreamName=log_stream,
                startFromHead=True,
                nextToken=page_token,
                limit=page_size,
            )
        )
        return Page(answer["events"], answer["nextForwardToken"])

    def read_logs(self, job_id: str, index: int | None = None) -> list[LogLine]:
        """Return the log of a job so far, stream after stream, each from its oldest line on.

        :param job_id: a job, an array, a job of many nodes, or one child or node of such
        :param index: of this child of an array alone
        """
        job = self.get_job(job_id if index is None else f"{job_id}:{index}")
        parts = self.describe_jobs(details.part_ids(job)) if details.part_count(job) else [job]
        return [
            streams.to_line(event, stream)
            for part in parts
            for stream in streams.of_job(part)
            for event in self._events(stream)
        ]

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the job queues of the connection's region can be described.

        :raises InvalidArgument: nothing names a region
        """
        try:
            self._describe_job_queues(None, token="", page_size=1)
        except BackendError as error:
            return False, str(error)
        return True, f"Job queues of {self.region} can be described"

    # Inside

    @translated(*errors.VENDOR_EXCEPTIONS)
    def _describe_jobs(self, job_ids: Sequence[str]) -> list[Fields]:
        return list(self.batch.describe_jobs(jobs=list(job_ids))["jobs"])

    @translated(*errors.VENDOR_EXCEPTIONS)
    def _describe_job_definitions(
        self, job_definitions: Sequence[str] | None, name: str | None, *, status: str | None, token: str
    ) -> Page:
        answer = self.batch.describe_job_definitions(
            **_given(jobDefinitions=job_definitions, jobDefinitionName=name, status=status, nextToken=token)
        )
        return Page(answer["jobDefinitions"], answer.get("nextToken") or "")

    @translated(*errors.VENDOR_EXCEPTIONS)
    def _describe_job_queues(
        self, job_queues: Sequence[str] | None, *, token: str, page_size: int | None = None
    ) -> Page:
        answer = self.batch.describe_job_queues(
            **_given(jobQueues=job_queues, nextToken=token, maxResults=page_size)
        )
        return Page(answer["jobQueues"], answer.get("nextToken") or "")

    @translated(*errors.VENDOR_EXCEPTIONS)
    def _describe_compute_environments(self, names: Sequence[str] | None, *, token: str) -> Page:
        answer = self.batch.describe_compute_environments(
            **_given(computeEnvironments=names, nextToken=token)
        )
        return Page(answer["computeEnvironments"], answer.get("nextToken") or "")

    def _events(self, stream: streams.Stream) -> Iterator[Fields]:
        """Yield the events of one stream; one whose group or stream is not there has none."""
        token = ""
        while True:
            try:
                page = self.get_log_events(stream.group, stream.name, page_token=token, region=stream.region)
            except NotFound:
                return
            yield from page.items
            if page.next_token == token:
                return
            token = page.next_token

    @staticmethod
    def _pages(read: Callable[[str], Page]) -> Iterator[Fields]:
        token = ""
        while True:
            page = read(token)
            yield from page.items
            token = page.next_token
            if not token:
                return


def _given(**fields: Any) -> Fields:
    """Return the fields that were given, since the service refuses empty ones."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def _body(answer: Mapping[str, Any]) -> Fields:
    """Return what the service answered, without what boto3 tells about the answer."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
