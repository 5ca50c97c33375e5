"""What tests of inversion share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    """Small images are not worth the threads' meeting each other."""
    torch.set_num_threads(1)
