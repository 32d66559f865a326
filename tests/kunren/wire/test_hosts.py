"""What host names say."""

import pytest

from kunren.fallback.services import SERVICES as MOTO
from kunren.services import SERVICES
from kunren.wire.catalog import Catalog
from kunren.wire.hosts import NOTHING, HostSays, read_host

ENDPOINTS: dict[str, tuple[str, ...]] = {}
for _name, _metadata in Catalog().index.items():
    ENDPOINTS[_metadata.endpoint_prefix] = (*ENDPOINTS.get(_metadata.endpoint_prefix, ()), _name)


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("sqs.us-east-1.amazonaws.com", HostSays(("sqs",), "us-east-1")),
        ("ec2.eu-west-3.amazonaws.com", HostSays(("ec2",), "eu-west-3")),
        ("elasticloadbalancing.us-gov-west-1.amazonaws.com", HostSays(("elb", "elbv2"), "us-gov-west-1")),
        ("iam.amazonaws.com", HostSays(("iam",), "")),
        ("api.ecr.us-east-1.amazonaws.com", HostSays(("ecr",), "us-east-1")),
        ("sqs.cn-north-1.amazonaws.com.cn", HostSays(("sqs",), "cn-north-1")),
        ("ec2.us-east-1.api.aws", HostSays(("ec2",), "us-east-1")),
        ("kms-fips.us-east-1.amazonaws.com", HostSays(("kms",), "us-east-1")),
        ("s3.amazonaws.com", HostSays(("s3",), "")),
        ("my.bucket.s3.us-east-1.amazonaws.com", HostSays(("s3",), "us-east-1", "my.bucket")),
        ("bucket.s3.dualstack.us-east-1.amazonaws.com", HostSays(("s3",), "us-east-1", "bucket")),
        ("bucket.s3-us-west-2.amazonaws.com", HostSays(("s3",), "us-west-2", "bucket")),
        ("bucket.s3.amazonaws.com", HostSays(("s3",), "", "bucket")),
        ("bucket.s3.localhost", HostSays(("s3",), "", "bucket")),
        ("abc.execute-api.us-east-1.amazonaws.com", HostSays((), "us-east-1", label="abc", data_plane="execute-api")),
        ("lb-1.elb.us-east-1.amazonaws.com", HostSays((), "us-east-1", label="lb-1", data_plane="elb")),
        ("abc.lambda-url.us-east-1.on.aws", HostSays((), "us-east-1", label="abc", data_plane="lambda-url")),
        (
            "123456789012.s3-control.us-east-1.amazonaws.com",
            HostSays(("s3control",), "us-east-1", label="123456789012"),
        ),
        ("nothing.us-east-1.amazonaws.com", HostSays((), "us-east-1")),
        ("example.test", NOTHING),
        ("amazonaws.com.evil.test", NOTHING),
    ],
)
def test_a_host_says_service_region_and_bucket(host: str, says: HostSays) -> None:
    assert read_host(host, ENDPOINTS) == says


@pytest.mark.parametrize("service", sorted({**SERVICES, **MOTO}))
def test_a_services_own_host_names_it_and_no_data_plane(service: str) -> None:
    """As programs inside the world ask for it, with no endpoint set."""
    prefix = Catalog().index[service].endpoint_prefix
    says = read_host(f"{prefix}.us-east-1.amazonaws.com", ENDPOINTS)
    assert service in says.services
    assert (says.region, says.data_plane) == ("us-east-1", "")
