"""How AWS is called: Airflow's AWS connection, and one client per service made from it.

It makes no call of AWS Batch itself.
"""

from __future__ import annotations

from typing import Any

import boto3
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from airflow.providers.common.compat.sdk import AirflowException
from botocore.config import Config

from airflow_provider_jobs.backends.aws_batch import errors
from airflow_provider_jobs.backends.aws_batch.clients import (
    CONNECT_SECONDS,
    READ_SECONDS,
    Clients,
    client_config,
)
from airflow_provider_jobs.core.errors import AccessDenied, InvalidArgument, JobsError
from airflow_provider_jobs.hooks.base import known_connection


class AwsConnectionHook(AwsBaseHook):
    """Credentials, region and endpoints as the Amazon provider reads them; everything else is our own."""

    def __init__(
        self,
        aws_conn_id: str | None = AwsBaseHook.default_conn_name,
        region_name: str | None = None,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(aws_conn_id=aws_conn_id, region_name=region_name, client_type="batch", **kwargs)
        if aws_conn_id and aws_conn_id != self.default_conn_name:
            with known_connection(aws_conn_id, argument="aws_conn_id"):
                self.get_connection(aws_conn_id)
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self.clients = Clients(self._checked_session, self._make_client)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(aws_conn_id={self.aws_conn_id!r})"

    @property
    def config(self) -> Config:
        """The configuration of every client, also of those with which Airflow assumes a role."""
        return client_config(
            self.conn_config.botocore_config,
            connect_seconds=self._connect_seconds,
            read_seconds=self._read_seconds,
        )

    @property
    def region(self) -> str:
        """The region of the calls.

        :raises InvalidArgument: neither the hook, nor the connection, nor the environment names one
        """
        return str(self.batch.meta.region_name)

    def translate(self, error: Exception, *, call: str) -> JobsError:
        """Return our error for an exception of boto3."""
        return errors.to_error(error, call=call, endpoint=self.conn_config.endpoint_url)

    @property
    def batch(self) -> Any:
        """The client of AWS Batch."""
        return self.clients.get("batch")

    def logs(self, region: str | None = None) -> Any:
        """Return the client of CloudWatch Logs, in the region of the jobs where none is given."""
        return self.clients.get("logs", None if region == self.region else region)

    def _checked_session(self) -> boto3.session.Session:
        """Return the session; whatever is wrong with it is said without a word of what it holds."""
        try:
            return self.get_session(region_name=self.region_name)
        except (AirflowException, NotImplementedError, ValueError) as error:
            raise AccessDenied(
                f"the credentials of connection {self.aws_conn_id!r} cannot be read ({type(error).__name__})",
                advice="Check its access key, profile, role and the way the role is assumed",
            ) from error
        except errors.VENDOR_EXCEPTIONS as error:
            raise self.translate(error, call="credentials") from error

    def _make_client(self, session: boto3.session.Session, service: str, region: str | None) -> Any:
        region = region or session.region_name
        if not region:
            raise InvalidArgument(
                "region_name",
                f"neither the task nor connection {self.aws_conn_id!r} names a region",
                remedy="Give region_name, or set it in the connection's extra",
            )
        return session.client(
            service,
            region_name=region,
            endpoint_url=self.conn_config.get_service_endpoint_url(service),
            config=self.config,
            verify=self.verify,
        )
