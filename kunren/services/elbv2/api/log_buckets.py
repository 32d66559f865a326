"""The bucket for a load balancer's logs: it must be there, and let Elastic Load Balancing write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.clock import iso_utc
from kunren.core.errors import AwsError
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

    async def ask(operation: str, **more: Any) -> Mapping[str, Any]:
        try:
            return await parts.call(balancer.account, balancer.region, "s3", operation, {"Bucket": bucket, **more})
        except AwsError:
            raise denied from None

    place = (await ask("GetBucketLocation")).get("LocationConstraint") or "us-east-1"
    if place != balancer.region:
        raise InvalidConfigurationRequest(f"S3Bucket: {bucket} is not located in {balancer.region}")
    if not lets_in((await ask("GetBucketPolicy")).get("Policy", ""), balancer, bucket, key):
        raise denied
    text = f"Enable AccessLog for ELB: {short_name(balancer)} at {iso_utc(parts.clock.now())}"
    await ask("PutObject", Key=key, Body=text.encode())
