"""What calls on behalf of somebody need."""

from __future__ import annotations

import pytest

from kunren.access.behalf import of_s3, with_labels


@pytest.mark.parametrize(
    ("operation", "params", "action", "resource"),
    [
        ("CreateBucket", {"Bucket": "b"}, "s3:CreateBucket", "arn:aws:s3:::b"),
        ("PutBucketEncryption", {"Bucket": "b"}, "s3:PutEncryptionConfiguration", "arn:aws:s3:::b"),
        ("DeleteBucketLifecycle", {"Bucket": "b"}, "s3:PutLifecycleConfiguration", "arn:aws:s3:::b"),
        ("DeletePublicAccessBlock", {"Bucket": "b"}, "s3:PutBucketPublicAccessBlock", "arn:aws:s3:::b"),
        ("DeleteBucketPolicy", {"Bucket": "b"}, "s3:DeleteBucketPolicy", "arn:aws:s3:::b"),
        ("GetObject", {"Bucket": "b", "Key": "a/c"}, "s3:GetObject", "arn:aws:s3:::b/a/c"),
    ],
)
def test_operations_of_s3_are_named_as_policies_name_them(
    operation: str, params: dict[str, str], action: str, resource: str
) -> None:
    [needed] = of_s3(operation, params)
    assert (needed.action, needed.resource) == (action, resource)


def test_a_path_has_its_labels_filled_in() -> None:
    given = {"restApiId": "a1", "parentId": "p"}
    assert with_labels("/restapis/{restapi_id}/resources/{parent_id}", given) == "/restapis/a1/resources/p"
    assert with_labels("/v2/apis/{ApiId}/routes/{RouteId}?x", {"ApiId": "a"}) == "/v2/apis/a/routes/*"
