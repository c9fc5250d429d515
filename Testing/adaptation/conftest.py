from __future__ import annotations

import pytest
import torch


@pytest.fixture
def one_thread():
    """Bit-identical sums need the same split of work every time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
