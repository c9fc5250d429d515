"""What all tests share: real images where there are any, one thread, no network."""

from __future__ import annotations

import os
import random
import socket
import sys
from pathlib import Path

import pytest

# Set before the first import of torch: sums come out the same in every run, and parallel test
# processes do not fight for the cores.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Property tests draw the same examples every time, and slow machines are no failure."""
    try:
        from hypothesis import settings
    except ImportError:
        return
    settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=50, database=None)
    settings.load_profile("repeatable")


@pytest.fixture
def real_data() -> Path:
    """The folder with the real images, from $TRANSFERRISK_DATA or beside the checkout."""
    folder = Path(os.environ.get("TRANSFERRISK_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real images: {folder} does not exist (set TRANSFERRISK_DATA)")
    return folder


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    """Every test starts from the same random state, and with one torch thread."""
    random.seed(0)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to anything but this machine fail at once."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        local = not isinstance(address, tuple) or str(address[0]) in ("127.0.0.1", "::1", "localhost")
        if not local:
            raise OSError(f"tests must not use the network: {address!r}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
