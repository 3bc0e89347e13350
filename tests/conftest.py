"""What all tests share."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

# Runs of tests are compared to the bit and share a machine: GPUs only for the tests that ask for them. Before
# torch looks for them.
if os.environ.get("AUTODAS_TEST_GPU") != "1":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from autodas.cli.jobs import _process
from autodas.data.batches import _loader
from autodas.data.batches._workers import shared_workers
from autodas.kernels import built_kernels

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # Sums are split among threads, so bits depend on their number.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _data_workers() -> Iterator[None]:
    # Processes that read data serve all tests one after the other: each takes seconds to start.
    kept: list[Any] = []

    def shared_and_kept(count: int) -> Any:
        kept.append(shared_workers(count))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_loader, "shared_workers", shared_and_kept)
        yield


@pytest.fixture
def plain_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where there is no compiler, or on a GPU: without the kernels for CPUs."""
    monkeypatch.setenv("AUTODAS_KERNELS", "plain")
    built_kernels.cache_clear()
    yield
    monkeypatch.undo()
    built_kernels.cache_clear()


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """A folder of real data beside the checkout; the test is skipped where it is missing."""

    def find(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"real data '{name}' are not beside the checkout")
        return path

    return find


class Command:
    """A command line in a process of its own, forked from this one: imports of torch are shared with it.

    Args:
        folder: the working folder of the process.
        words: the command line, without the name of the program.
        prepare: called in the new process before the command.
        output: file for what it prints, in place of files of its own.
    """

    def __init__(
        self,
        folder: Path,
        *words: str,
        prepare: Callable[[], None] | None = None,
        output: IO[bytes] | None = None,
    ) -> None:
        self.words, self.prepare = words, prepare
        self._outputs = [output or tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = os.fork()
        self._code: int | None = None
        if self._process == 0:
            self._run(folder)

    def _run(self, folder: Path) -> None:
        from autodas.cli.main import main

        code = 1
        try:
            os.chdir(folder)
            sys.path.insert(0, "")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.stdin = open(os.devnull)  # noqa: SIM115
            for number, file in enumerate(self._outputs, start=1):
                os.dup2(file.fileno(), number)
            sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1) for n in (1, 2))
            if self.prepare is not None:
                self.prepare()
            code = main(self.words)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def poll(self) -> int | None:
        """Return the exit code, ``None`` while the process runs."""
        if self._code is None:
            process, status = os.waitpid(self._process, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if process else None
        return self._code

    def wait(self) -> int:
        """Wait for the end of the process; return the exit code."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
        return self._code

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        os.kill(self._process, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.signal(signal.SIGTERM)

    @property
    def printed(self) -> tuple[str, str]:
        """What went to its standard output and standard error so far."""
        # The process writes at the offset of the same open file: it must not move.
        numbers = [file.fileno() for file in self._outputs]
        out, error = (os.pread(n, os.fstat(n).st_size, 0).decode() for n in numbers)
        return out, error


@pytest.fixture
def double() -> Iterator[None]:
    """Everything is computed in double precision, unless a tensor says otherwise."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def command() -> type[Command]:
    """A command line in a process of its own, much sooner there than a new interpreter."""
    if not hasattr(os, "fork"):
        pytest.skip("needs processes that can be forked")
    # What most commands import, seconds each.
    import sklearn.datasets  # noqa: F401
    import torch._dynamo  # noqa: F401

    return Command


@pytest.fixture
def forked_jobs(command: type[Command], monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison forks its searches and trainings from its own process, in place of new interpreters."""

    def start(words: Sequence[str], *, stdout: IO[bytes], **options: Any) -> Command:
        assert list(words[:3]) == [sys.executable, "-m", "autodas"]
        return command(Path.cwd(), *words[3:], output=stdout)

    monkeypatch.setattr(_process, "start_child", start)


@pytest.fixture
def killed_after(command: type[Command], tmp_path: Path) -> Callable[..., None]:
    """Runs a command in a process that kills itself after so many calls of a method."""

    def run(owner: type, method: str, calls: int, *words: str) -> None:
        usual, done = getattr(owner, method), 0

        def call_or_die(*arguments: Any) -> Any:
            nonlocal done
            if done == calls:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return usual(*arguments)

        process = command(tmp_path, *words, prepare=lambda: setattr(owner, method, call_or_die))
        assert process.wait() == -signal.SIGKILL, process.printed[1]

    return run


class HostWorkError(AssertionError):
    """The host waited for a result, or made a tensor of its own numbers."""


class Tape(TorchDispatchMode):
    """Notes every operation of a call with the very tensors and numbers it was given, as a CUDA graph does.

    Args:
        strict: whether to refuse what would make the host wait for a GPU: reading a tensor, copying numbers
            of the host to the device, choosing with a mask.
    """

    def __init__(self, strict: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.strict = strict
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(function)
        masked = name.startswith("aten.index") and any(
            isinstance(t, Tensor) and t.dtype == torch.bool for t in tree_leaves(args[1:])
        )
        if self.strict and (masked or "_local_scalar_dense" in name or "lift_fresh" in name):
            raise HostWorkError(name)
        found = function(*args, **kwargs)
        self.operations.append((function, args, kwargs, found))
        return found

    @torch.no_grad()
    def play(self) -> None:
        """Do all of it again: results go where they were."""
        for function, args, kwargs, kept in self.operations:
            found = function(*args, **kwargs)
            for old, new in zip(tree_leaves(kept), tree_leaves(found), strict=True):
                # Views and operations in place are there already.
                if isinstance(old, Tensor) and old.untyped_storage()._cdata != new.untyped_storage()._cdata:
                    old.copy_(new)


class TapeRecorder:
    """Stands in for a recorder of CUDA graphs, on the CPU.

    Attributes:
        recorded, played, forgotten: how often.
    """

    def __init__(self) -> None:
        self.recorded = self.played = self.forgotten = 0

    def warm_up(self, call: Callable[[], Any]) -> Any:
        return call()

    def record(self, call: Callable[[], Any]) -> Callable[[], Any]:
        self.recorded += 1
        with Tape() as tape:
            found = call()
        done = True

        def play() -> Any:
            nonlocal done
            self.played += 1
            # A tape can only be made by doing what is on it: that was the first time.
            if not done:
                tape.play()
            done = False
            return found

        return play

    def forget(self) -> None:
        self.forgotten += 1


@pytest.fixture
def tape() -> type[Tape]:
    """Notes operations, and refuses work of the host."""
    return Tape


@pytest.fixture
def tape_recorder() -> TapeRecorder:
    """Records iterations on the CPU, with everything that the host adds frozen as in a CUDA graph."""
    return TapeRecorder()
