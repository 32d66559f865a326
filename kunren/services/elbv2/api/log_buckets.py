"""The bucket for a load balancer's logs: it must be there, and let Elastic Load Balancing write."""

from __future__ import annotations

from collections.abc import Mapping

from kunren.core.clock import iso_utc
from kunren.core.objects import ObjectUnavailable
from kunren.services.elbv2.attributes import LOAD_BALANCER, value
from kunren.services.elbv2.errors import InvalidConfigurationRequest, validation_error
from kunren.services.elbv2.logs.buckets import TEST_FILES, folder, lets_in, short_name
from kunren.services.elbv2.logs.loggers import HEALTH_CHECK, KINDS, wanted
from kunren.services.elbv2.model import LoadBalancer
from kunren.services.elbv2.parts import Parts


def new_kinds(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The kinds of logs that `after` turns on, or sends elsewhere."""

    def told(attributes: Mapping[str, str], kind: str) -> tuple[str, ...]:
        return tuple(
            value(LOAD_BALANCER, attributes, f"{kind}_logs.s3.{key}") for key in ("enabled", "bucket", "prefix")
        )

    return [kind for kind in (*KINDS, HEALTH_CHECK) if wanted(after, kind) and told(after, kind) != told(before, kind)]


async def check_bucket(parts: Parts, balancer: LoadBalancer, kind: str, attributes: Mapping[str, str]) -> None:
    """Leave the test file in the bucket, as AWS does. Raises ValidationError, InvalidConfigurationRequest."""
    bucket = value(LOAD_BALANCER, attributes, f"{kind}_logs.s3.bucket")
    prefix = value(LOAD_BALANCER, attributes, f"{kind}_logs.s3.prefix")
    if not bucket:
        raise validation_error(f"The value of '{kind}_logs.s3.bucket' cannot be empty")
    if "AWSLogs" in prefix:
        raise validation_error(f"The value of '{kind}_logs.s3.prefix' cannot contain 'AWSLogs'")
    key = folder(balancer, prefix) + TEST_FILES[kind]
    denied = InvalidConfigurationRequest(f"Access Denied for bucket: {bucket}. Please check S3bucket permission")
    account, region, objects = balancer.account, balancer.region, parts.objects
    try:
        location = await objects.bucket(account, region, bucket, "location")
        place = location.rpartition("</LocationConstraint>")[0].rpartition(">")[2] or "us-east-1"
        if place != region:
            raise InvalidConfigurationRequest(f"S3Bucket: {bucket} is not located in {region}")
        if not lets_in(await objects.bucket(account, region, bucket, "policy"), balancer, bucket, key):
            raise denied
        text = f"Enable AccessLog for ELB: {short_name(balancer)} at {iso_utc(parts.clock.now())}"
        await objects.write(account, region, bucket, key, text.encode())
    except ObjectUnavailable:
        raise denied from None
