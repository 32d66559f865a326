"""Whether CloudFront can write its logs to a bucket, and the grant that it gives itself there.

Developer Guide, "Permissions required to configure standard logging": the bucket must take access control lists;
CloudFront adds the account `awslogsdelivery` to the bucket's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.cloudfront.errors import InvalidArgument

REGION = "us-east-1"
DELIVERY = "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0"
"""The canonical id of awslogsdelivery."""
_DOMAIN = re.compile(r"(?P<bucket>[a-z0-9.-]{3,63})\.s3([.-][a-z0-9-]+)?\.amazonaws\.com")


def bucket_of(domain_name: str) -> str | None:
    """`logs` of `logs.s3.amazonaws.com` (or of a name with a region in it)."""
    found = _DOMAIN.fullmatch(domain_name)
    return found["bucket"] if found else None


async def open_to_delivery(call: CallService, account: str, domain_name: str) -> None:
    """Have the bucket let CloudFront write. Raises InvalidArgument where it can't."""
    bucket = bucket_of(domain_name)
    if bucket is None:
        raise InvalidArgument("The parameter Logging Bucket does not refer to a valid S3 bucket.")
    try:
        acl = await call(account, REGION, "s3", "GetBucketAcl", {"Bucket": bucket})
    except AwsError as error:
        raise InvalidArgument("The parameter Logging Bucket does not refer to a valid S3 bucket.") from error
    if await _refuses_lists(call, account, bucket):
        raise InvalidArgument(
            f"The S3 bucket that you specified for CloudFront logs does not enable ACL access: {domain_name}"
        )
    grants = [dict(each) for each in acl.get("Grants") or ()]
    if any(each["Grantee"].get("ID") == DELIVERY and each["Permission"] == "FULL_CONTROL" for each in grants):
        return
    grants.append({"Grantee": {"Type": "CanonicalUser", "ID": DELIVERY}, "Permission": "FULL_CONTROL"})
    policy = {"Grants": grants, "Owner": acl["Owner"]}
    await call(account, REGION, "s3", "PutBucketAcl", {"Bucket": bucket, "AccessControlPolicy": policy})


async def _refuses_lists(call: CallService, account: str, bucket: str) -> bool:
    try:
        found: Mapping[str, Any] = await call(account, REGION, "s3", "GetBucketOwnershipControls", {"Bucket": bucket})
    except AwsError:
        return False
    rules = found["OwnershipControls"]["Rules"]
    return any(each["ObjectOwnership"] == "BucketOwnerEnforced" for each in rules)
