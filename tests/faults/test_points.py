"""Where a process is struck, tried on a few lines of code."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.faults.points import Points

CODE = """
import json

def outer(value):
    text = json.dumps(value)
    return inner(text)

def inner(text):
    return len(text)
"""


@pytest.fixture
def code(tmp_path: Path) -> ModuleType:
    file = tmp_path / "code_under_fault.py"
    file.write_text(CODE)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def passed(root: Path, work: Callable[[], object]) -> list[str]:
    places: list[str] = []
    with Points((root,), at=None, act=lambda _: None, passed=places).watched():
        work()
    return [place.rpartition("/")[2] for place in places]


def test_every_line_every_call_and_every_return_to_the_code_is_a_point(
    tmp_path: Path, code: ModuleType
) -> None:
    assert passed(tmp_path, lambda: code.outer([1])) == [
        "code_under_fault.py:4, call of outer",
        "code_under_fault.py:5, line in outer",
        "code_under_fault.py:5, return of dumps to outer",
        "code_under_fault.py:6, line in outer",
        "code_under_fault.py:8, call of inner",
        "code_under_fault.py:9, line in inner",
    ]


def test_the_code_of_others_has_no_points(tmp_path: Path, code: ModuleType) -> None:
    assert passed(tmp_path / "elsewhere", lambda: code.outer([1])) == []


def test_threads_that_are_started_meanwhile_have_points_too(tmp_path: Path, code: ModuleType) -> None:
    def work() -> None:
        thread = threading.Thread(target=code.inner, args=("x",))
        thread.start()
        thread.join()

    assert passed(tmp_path, work) == [
        "code_under_fault.py:8, call of inner",
        "code_under_fault.py:9, line in inner",
    ]


def test_the_act_comes_at_its_point_before_the_result_of_a_call_is_used(
    tmp_path: Path, code: ModuleType
) -> None:
    class Struck(BaseException):
        pass

    def act(place: str) -> None:
        raise Struck(place)

    with (
        pytest.raises(Struck, match="return of dumps to outer"),
        Points((tmp_path,), at=3, act=act).watched(),
    ):
        code.outer([1])
