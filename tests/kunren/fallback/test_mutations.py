"""Which operations the journal holds."""

from __future__ import annotations

import pytest

from kunren.fallback.mutations import PURE, READ, WRITE, kind
from kunren.fallback.services import SERVICES
from kunren.wire.catalog import Catalog


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("iam", "CreateUser", WRITE),
        ("iam", "GetUser", READ),
        ("sqs", "SendMessage", WRITE),
        ("sqs", "ReceiveMessage", READ),
        ("s3", "PutObject", WRITE),
        ("s3", "HeadObject", READ),
        ("s3", "CompleteMultipartUpload", WRITE),
        ("dynamodb", "TransactWriteItems", WRITE),
        ("dynamodb", "TransactGetItems", READ),
        ("dynamodb", "ExecuteStatement", WRITE),
        ("kms", "Encrypt", PURE),
        ("kms", "CreateKey", WRITE),
        ("sts", "AssumeRole", WRITE),
        ("logs", "PutLogEvents", WRITE),
        ("anything", "", WRITE),
    ],
)
def test_operations_are_told_apart(service: str, operation: str, expected: str) -> None:
    assert kind(service, operation) == expected


def test_no_operation_that_is_called_a_creation_counts_as_reading() -> None:
    catalog = Catalog()
    for service in SERVICES:
        for operation in catalog.service(service).operations:
            if operation.startswith(("Create", "Put", "Delete", "Update", "Send", "Publish", "Tag", "Untag", "Set")):
                assert kind(service, operation) == WRITE, (service, operation)
