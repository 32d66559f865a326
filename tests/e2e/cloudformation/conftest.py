"""An account's stacks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from stacking import Stacks


@pytest.fixture
def stacks(kunren, account, until):
    return Stacks(kunren, account, until)
