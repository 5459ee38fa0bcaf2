"""Files of a job: what a job sees of them, and how a user names them. Pure.

Every job sees them as directories, since an image may hold nothing but a shell: no client of a storage, no
credentials. Who puts them there, and takes them from there, is not said here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.wire import Wire

#: Linux takes no single variable or argument beyond this: https://man7.org/linux/man-pages/man2/execve.2.html
MAX_TEXT_BYTES = 131_071
#: The longest input that still fits into a variable, with the longest name of one in front of it.
MAX_INPUT_BYTES = MAX_TEXT_BYTES - len("JOB_INPUT_99999=")
#: Where a service sees the bucket that it mounts for a job; a machine of GCP Batch mounts below /mnt/disks.
BUCKET_MOUNT = "/mnt/disks/airflow-jobs"

# The parts of a job's directory.
INPUT_FILES = "in"
OUTPUT_FILES = "out"
ONE_INPUT = "input.json"
EACH_INPUT = "inputs"

_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/@]*:[^/@]*@")
_QUERY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^?]*\?")
_GLOB = re.compile(r"[*?\[]")


class JobFiles(Wire):
    """The directory of one job, as the job sees it.

    :param directory: an absolute path
    :param bucket: the bucket that the service mounts at :data:`BUCKET_MOUNT`; empty where it is there already
    :param brings: whether files were put there for the job
    :param collects: whether files are taken from there after the job
    :param input: whether the input lies there: one for all indexes, or one for each; empty where it is in
        variables
    :param input_fits: whether every such input fits into a variable, so that the prelude makes
        ``JOB_INPUT`` of it too
    """

    directory: str
    bucket: str = ""
    brings: bool = False
    collects: bool = False
    input: Literal["", "one", "each"] = ""
    input_fits: bool = True

    def variables(self, *, is_array: bool) -> dict[str, str]:
        """Return the variables that are the same for all indexes.

        An array has ``JOB_INPUTS_DIR`` and ``JOB_OUTPUTS_DIR``, of which the prelude makes what one index
        sees.
        """
        told = {}
        if self.brings:
            told["JOB_INPUT_DIR"] = f"{self.directory}/{INPUT_FILES}"
        if self.collects:
            told["JOB_OUTPUTS_DIR" if is_array else "JOB_OUTPUT_DIR"] = f"{self.directory}/{OUTPUT_FILES}"
        if self.input == "one":
            told["JOB_INPUT_FILE"] = f"{self.directory}/{ONE_INPUT}"
        elif self.input and is_array:
            told["JOB_INPUTS_DIR"] = f"{self.directory}/{EACH_INPUT}"
        elif self.input:
            told["JOB_INPUT_FILE"] = f"{self.directory}/{EACH_INPUT}/0.json"
        return told

    def variables_of(self, index: int, *, is_array: bool) -> dict[str, str]:
        """Return the variables that one index sees, where no shell has to work them out."""
        told = self.variables(is_array=is_array)
        if outputs := told.pop("JOB_OUTPUTS_DIR", None):
            told["JOB_OUTPUT_DIR"] = f"{outputs}/{index}"
        if inputs := told.pop("JOB_INPUTS_DIR", None):
            told["JOB_INPUT_FILE"] = f"{inputs}/{index}.json"
        return told

    def index_lines(self, *, is_array: bool) -> list[str]:
        """Return POSIX shell that makes the variables of one index from ``JOB_INDEX``."""
        lines = []
        if is_array and self.collects:
            lines.append("JOB_OUTPUT_DIR=$JOB_OUTPUTS_DIR/$JOB_INDEX; export JOB_OUTPUT_DIR")
        if is_array and self.input == "each":
            lines.append("JOB_INPUT_FILE=$JOB_INPUTS_DIR/$JOB_INDEX.json; export JOB_INPUT_FILE")
        return lines

    def lines(self) -> list[str]:
        """Return POSIX shell that makes the output directory, and ``JOB_INPUT`` where it fits.

        Builtins alone, but for ``mkdir`` where the directory is not there yet.
        """
        lines = []
        if self.collects:
            lines.append('[ -d "$JOB_OUTPUT_DIR" ] || mkdir -p "$JOB_OUTPUT_DIR" || exit 1')
        if self.input and self.input_fits:
            lines.append('IFS= read -r JOB_INPUT <"$JOB_INPUT_FILE" || exit 1; export JOB_INPUT')
        return lines


# What a user writes


def check_input_files(value: Any) -> dict[str, str]:
    """Return the files to bring: what the job calls them, and where they are.

    :raises InvalidArgument: the value is no such thing, or an address holds a password
    """
    if not isinstance(value, Mapping):
        raise InvalidArgument(
            "input_files", "it is no dict", remedy='Write {"name": "s3://conn_id@bucket/key"}'
        )
    for name, source in value.items():
        _check_name("input_files", name)
        if not _is_address(source):
            raise InvalidArgument(
                "input_files",
                f"the source of {name!r} is of type {type(source).__name__}",
                remedy="Write a path or an address",
            )
        check_address("input_files", str(source))
    return {name: str(source) for name, source in value.items()}


def check_output_files(value: Any, *, is_array: bool = False) -> dict[str, str]:
    """Return the names or patterns to collect, each with where its files are copied, empty for nowhere.

    :param is_array: whether every index has files of these names
    :raises InvalidArgument: the value is no such thing, or an address holds a password
    """
    if isinstance(value, str) or not isinstance(value, (Mapping, list, tuple)):
        raise InvalidArgument("output_files", "it is no list of names", remedy='Write ["*.csv", "model.bin"]')
    wanted = dict(value) if isinstance(value, Mapping) else dict.fromkeys(value, "")
    for name, destination in wanted.items():
        _check_name("output_files", name)
        if not _is_address(destination):
            raise InvalidArgument(
                "output_files",
                f"the destination of {name!r} is of type {type(destination).__name__}",
                remedy="Write an address",
            )
        check_address("output_files", str(destination))
        if destination and (is_array or _GLOB.search(name)) and not str(destination).endswith("/"):
            raise InvalidArgument(
                "output_files",
                f"{name!r} may be several files, and its destination is one",
                remedy='End the address with "/"',
            )
    return {name: str(destination) for name, destination in wanted.items()}


def _is_address(value: Any) -> bool:
    """Return whether it is a text, or a path of whatever library."""
    return isinstance(value, str) or (hasattr(value, "joinpath") and hasattr(value, "read_bytes"))


def check_address(argument: str, address: str) -> None:
    """Refuse an address that holds a password or a token; the address is not shown.

    :raises InvalidArgument: it does
    """
    if _PASSWORD.match(address) or _QUERY.match(address):
        raise InvalidArgument(
            argument,
            "an address in it holds a password or a token",
            remedy="Keep that in a connection, and write protocol://conn_id@bucket/key",
        )


def _check_name(argument: str, name: Any) -> None:
    is_text = isinstance(name, str) and name.isprintable() and "\\" not in name
    if not is_text or any(part in ("", ".", "..") for part in name.split("/")):
        raise InvalidArgument(
            argument, f"{name!r} is no relative path", remedy='Write a name such as "model.bin" or "a/b.csv"'
        )


def matches(pattern: str, name: str) -> bool:
    """Return whether a relative path matches; ``*`` crosses no slash, ``**`` stands for any directories."""
    return _parts_match(pattern.split("/"), name.split("/"))


def _parts_match(patterns: list[str], parts: list[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_parts_match(patterns[1:], parts[skipped:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _parts_match(patterns[1:], parts[1:])
