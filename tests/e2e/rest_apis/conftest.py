"""An account's REST APIs in the world."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from rest_api_client import Apis


@pytest.fixture
def apis(kunren, account, until):
    return Apis(kunren, account, until)
