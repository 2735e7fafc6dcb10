"""The cores are shared among the processes of a command, and a library that is imported changes nothing."""

import os

import cv2
import pytest

from emofuse.threads import THREADS, allowed_threads, share_cores


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv(THREADS, "")
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


def test_every_core_may_be_used_by_default() -> None:
    assert 1 <= allowed_threads() <= (os.cpu_count() or 1)


def test_what_is_asked_for_holds_for_every_process() -> None:
    share_cores(3, n_processes=2)
    assert allowed_threads() == 3 and os.environ[THREADS] == "3"
    assert cv2.getNumThreads() == 1


def test_processes_divide_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emofuse.threads.allowed_threads", lambda: 8)
    share_cores(n_processes=3)
    assert os.environ[THREADS] == "2"
    share_cores(n_processes=100)
    assert os.environ[THREADS] == "2"  # what is set already stays
    monkeypatch.setenv(THREADS, "")
    share_cores(n_processes=100)
    assert os.environ[THREADS] == "1"


def test_one_process_keeps_all(monkeypatch: pytest.MonkeyPatch) -> None:
    share_cores()
    assert os.environ[THREADS] == ""


@pytest.mark.parametrize("nonsense", ["0", "-2", "many"])
def test_nonsense_in_the_environment_is_no_number(nonsense: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = allowed_threads()
    monkeypatch.setenv(THREADS, nonsense)
    assert allowed_threads() == default
