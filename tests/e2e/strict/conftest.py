"""A daemon in strict mode."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from strict_client import Strict

from tests.conftest import Kunren


@pytest.fixture(scope="package")
def strict_kunren(tmp_path_factory):
    """A daemon in strict mode, for all tests of this folder; sessions of a quarter of an hour last 4.5 s."""
    daemon = Kunren(tmp_path_factory.mktemp("strict") / "state")
    daemon.up("--strict", "--speed", "200")
    yield daemon
    daemon.run("down", check=True)


@pytest.fixture(scope="package")
def strict(strict_kunren):
    return Strict(strict_kunren)


@pytest.fixture(scope="package")
def bucket(strict):
    s3 = strict.client("s3")
    s3.create_bucket(Bucket="strict-data")
    s3.put_object(Bucket="strict-data", Key="a/key", Body=b"content")
    return "strict-data"
