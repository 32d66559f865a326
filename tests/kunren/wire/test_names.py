"""Names as botocore spells them."""

import botocore
import pytest

from kunren.wire.catalog import Catalog
from kunren.wire.names import xform_name

OURS = (
    "ec2",
    "route53",
    "acm",
    "elbv2",
    "lambda",
    "sqs",
    "sns",
    "ecs",
    "s3",
    "dynamodb",
    "fis",
    "kafka",
    "globalaccelerator",
)


@pytest.mark.parametrize("service", OURS)
def test_every_operation_is_spelled_as_botocore_spells_it(service: str) -> None:
    for operation in Catalog().service(service).operations:
        assert xform_name(operation) == botocore.xform_name(operation)


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("ListHostedZonesByVPC", "list_hosted_zones_by_vpc"),
        ("DescribeDBInstances", "describe_db_instances"),
        ("ListWebACLs", "list_web_acls"),
        ("CreateStorediSCSIVolume", "create_stored_iscsi_volume"),
        ("ListHITsForQualificationType", "list_hits_for_qualification_type"),
        ("ExecutePartiQLStatement", "execute_partiql_statement"),
        ("CreateOAuth2TokenWithIAM", "create_oauth2_token_with_iam"),
        ("TestDNSAnswer", "test_dns_answer"),
        ("already_spelled", "already_spelled"),
    ],
)
def test_special_names_are_known(name: str, spelled: str) -> None:
    assert xform_name(name) == spelled
    assert botocore.xform_name(name) == spelled
