"""The few lines of shell in front of a command that make every service look the same inside the job.

``JOB_INDEX``, ``JOB_COUNT``, ``JOB_ATTEMPT`` and ``JOB_INPUT`` are set from the service's own
variables, and the directories of a job that has files. The text is POSIX shell with builtins alone, since an
image may hold nothing else; only a directory that is missing asks for ``mkdir``.
"""

from __future__ import annotations

import json

from airflow_provider_jobs.core.errors import InputTooLarge, InvalidArgument
from airflow_provider_jobs.core.files import MAX_INPUT_BYTES
from airflow_provider_jobs.core.ranges import format_indexes
from airflow_provider_jobs.core.spec import JobSpec

# The original indexes that a part of an array runs, in their order: "3,7-9".
INDEX_MAP_VARIABLE = "JOB_INDEX_MAP"


# Turns the task's number into the original index by walking the ranges.
_FIND_INDEX = f"""\
_job_n=$JOB_INDEX; _job_ifs=$IFS; IFS=,
for _job_r in ${INDEX_MAP_VARIABLE}; do
  _job_i=${{_job_r%-*}}; _job_k=$((${{_job_r#*-}} - _job_i + 1))
  if [ "$_job_n" -lt "$_job_k" ]; then JOB_INDEX=$((_job_i + _job_n)); break; fi
  _job_n=$((_job_n - _job_k))
done
IFS=$_job_ifs"""


def input_variables(spec: JobSpec) -> dict[str, str]:
    """Return the variables that carry the input and the array's facts into the job.

    One input is ``JOB_INPUT``. One input per index is ``JOB_INPUT_<index>``, of which the prelude
    makes ``JOB_INPUT``; only the indexes of this submission are sent.
    """
    variables = {"JOB_COUNT": str(spec.array_size)}
    if spec.indexes is not None:
        variables[INDEX_MAP_VARIABLE] = format_indexes(spec.indexes)
    if spec.input is not None:
        variables["JOB_INPUT"] = json.dumps(spec.input)
    if spec.inputs is not None:
        wanted = range(spec.array_size) if spec.indexes is None else spec.indexes
        variables.update({f"JOB_INPUT_{index}": json.dumps(spec.inputs[index]) for index in wanted})
    if spec.files is not None:
        variables.update(spec.files.variables(is_array=spec.is_array))
    return variables


def check_input(spec: JobSpec, *, remedy: str) -> None:
    """Refuse an input that no process can be handed in a variable, whatever the service takes.

    :param remedy: where else the service lets an input lie
    :raises InputTooLarge: names the argument and the limit
    """
    for value in [spec.input] if spec.inputs is None else spec.inputs:
        if (size := len(json.dumps(value))) > MAX_INPUT_BYTES:
            told = f"it is {size:,} bytes long, and a container takes {MAX_INPUT_BYTES:,} in one piece"
            raise too_large(spec, told, remedy=remedy)


def too_large(spec: JobSpec, problem: str, *, remedy: str) -> InvalidArgument:
    """Return the error of a request that the service does not take for its size; it names the input.

    Where the job has none its variables are to blame.
    """
    if spec.input is None and spec.inputs is None:
        return InvalidArgument("env", problem, remedy=remedy)
    storage = "or set [airflow_provider_jobs] storage_path, and the input is handed over in a file"
    return InputTooLarge("inputs" if spec.inputs else "input", problem, remedy=f"{remedy}; {storage}")


def wrap(
    spec: JobSpec, *, index_variable: str, attempt_variable: str = "", first_attempt: int = 0
) -> list[str] | None:
    """Return the argument list to run, or ``None`` where the image's own entry point is to run.

    :param index_variable: the service's variable with the task's number, counted from 0
    :param attempt_variable: the service's variable with the attempt, where it has one
    :param first_attempt: what that variable says in the first attempt; ``JOB_ATTEMPT`` counts from 0
    """
    if spec.command is None and spec.script is None:
        return None
    if not spec.prelude:
        return list(spec.command) if spec.command is not None else ["/bin/sh", "-c", spec.script or ""]
    attempt = _attempt(attempt_variable, first_attempt)
    return _in_front(_text(spec, index_variable=index_variable, attempt=attempt), spec)


def wrap_files(spec: JobSpec) -> list[str] | None:
    """Return the argument list to run where the service itself says which index it is.

    Only files need a line in front of the command then; ``None`` where none is needed or can stand there.
    """
    lines = spec.files.lines() if spec.files is not None and spec.prelude else []
    if not lines or (spec.command is None and spec.script is None):
        return None
    return _in_front("\n".join(lines), spec)


def _in_front(text: str, spec: JobSpec) -> list[str]:
    if spec.script is not None:
        return ["/bin/sh", "-c", f"{text}\n{spec.script}"]
    return ["/bin/sh", "-c", f'{text}\nexec "$@"', "job", *(spec.command or ())]


def _attempt(variable: str, first: int) -> str:
    """Shell for the number of the attempt, counted from 0."""
    if not variable:
        return "0"
    return f"$((${{{variable}:-{first}}} - {first}))" if first else f"${{{variable}:-0}}"


def _text(spec: JobSpec, *, index_variable: str, attempt: str) -> str:
    lines = [f"JOB_INDEX=${{{index_variable}:-0}}"]
    if spec.indexes is not None:
        lines.append(_FIND_INDEX)
    lines.append(f"JOB_ATTEMPT={attempt}")
    lines.append("export JOB_INDEX JOB_ATTEMPT")
    if spec.inputs is not None:
        lines.append('eval "JOB_INPUT=\\$JOB_INPUT_$JOB_INDEX"; export JOB_INPUT')
    if spec.files is not None:
        lines += [*spec.files.index_lines(is_array=spec.is_array), *spec.files.lines()]
    return "\n".join(lines)
