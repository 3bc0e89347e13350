"""Termination signals that nobody has seen."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from autodas.stopping import StopRequest, stop_requested, termination_interrupts


def test_a_termination_signal_that_a_library_swallows_is_a_stop_request() -> None:
    with termination_interrupts():
        with suppress(BaseException):  # as some do while they are imported
            os.kill(os.getpid(), signal.SIGTERM)
        with StopRequest() as stop:
            assert stop.requested
            assert stop_requested()
    with termination_interrupts(), StopRequest() as stop:
        assert not stop.requested


def test_a_termination_signal_interrupts() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), termination_interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
