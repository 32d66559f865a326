"""The catalog of services."""

import subprocess
import sys

import pytest

from kunren.wire.catalog import Catalog, UnknownService, botocore_data_dir, botocore_version, read_index, scan


def test_the_committed_index_is_what_its_botocore_says() -> None:
    version, index = read_index()
    if version != botocore_version(botocore_data_dir()):
        pytest.skip("another botocore is installed: the index is read from its models instead")
    assert index == scan(botocore_data_dir())


def test_another_botocore_than_the_index_was_made_from_is_read_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kunren.wire.catalog.botocore_version", lambda folder: "0.0.0")
    catalog = Catalog()
    assert catalog.index == scan(catalog.data_dir)
    assert catalog.index["elbv2"].signs_as == "elasticloadbalancing"


def test_the_latest_version_of_a_model_is_read() -> None:
    assert Catalog().service("ec2").metadata.api_version == "2016-11-15"
    assert Catalog().service("cloudfront").metadata.api_version >= "2020-05-31"


@pytest.mark.parametrize("name", ["", "no-such-service", "../ec2", "."])
def test_a_name_without_a_model_is_unknown(name: str) -> None:
    with pytest.raises(UnknownService):
        Catalog().service(name)


def test_errors_are_found_by_name_and_by_wire_code() -> None:
    elbv2 = Catalog().service("elbv2")
    by_code = elbv2.error_shape("TargetGroupNotFound")
    assert by_code is not None and by_code is elbv2.error_shape("TargetGroupNotFoundException")
    assert by_code.error is not None and by_code.error.http_status_code == 400
    assert elbv2.error_shape("CreateTargetGroupInput") is None


def test_patches_give_sqs_its_query_codes() -> None:
    shape = Catalog().service("sqs").error_shape("AWS.SimpleQueueService.NonExistentQueue")
    assert shape is not None and shape.name == "QueueDoesNotExist"


def test_the_wire_does_not_import_botocore() -> None:
    code = "import sys, kunren.gateway.gateway, kunren.wire.catalog as c; c.Catalog().service('ec2'); print('botocore' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
