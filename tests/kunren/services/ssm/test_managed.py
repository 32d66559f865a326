"""Which roles let Systems Manager manage an instance, by what IAM gives of their policies."""

import json
from urllib.parse import quote

import pytest

from kunren.core.policies import Asker, allowed
from kunren.services.ssm.managed import CHANNELS, MANAGED, statements_of

ALL = {"Effect": "Allow", "Action": ["ssm:UpdateInstanceInformation", "ssmmessages:*"], "Resource": "*"}
NONE = {"Effect": "Deny", "Action": "ssmmessages:OpenDataChannel", "Resource": "*"}


@pytest.mark.parametrize(
    ("statement", "managed", "reached"),
    [
        (ALL, True, True),
        ([ALL], True, True),
        ([ALL, NONE], True, False),
        ({**ALL, "Action": "ssm:Update*"}, True, False),
        ({**ALL, "Action": "s3:*"}, False, False),
        ([], False, False),
    ],
)
def test_a_document_is_read_as_iam_gives_it(statement, managed, reached):
    document = {"Version": "2012-10-17", "Statement": statement}
    for given in (document, quote(json.dumps(document))):
        found = list(statements_of(given))
        may = [all(allowed(found, Asker(account="1"), each, {}) for each in part) for part in (MANAGED, CHANNELS)]
        assert may == [managed, reached]
