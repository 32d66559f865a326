"""Goal: what botocore sends is what a handler gets, and what a handler gives is what botocore reads, for all six protocols.

Method: for every operation of the services below, values from a seed go through botocore's serializer and our parser,
and through our serializer and botocore's parser; both must come back as they went in.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest
from probes import CATALOG, Values, botocore_model, read_by_botocore, request_of

from kunren.wire.codecs import PROTOCOLS
from kunren.wire.paths import PathTable
from kunren.wire.protocols.rest import query_values

SERVICES = [
    ("ec2", "ec2"), ("sqs", "json"), ("route53", "rest-xml"), ("elbv2", "query"), ("acm", "json"), ("lambda", "rest-json"),
    ("s3", "rest-xml"), ("dynamodb", "json"), ("cloudwatch", "smithy-rpc-v2-cbor"), ("cloudwatch", "json"),
    ("cloudwatch", "query"), ("sts", "query"), ("iam", "query"), ("apigatewayv2", "rest-json"), ("apigateway", "rest-json"),
    ("sns", "query"), ("cloudfront", "rest-xml"), ("ecs", "json"), ("kms", "json"), ("globalaccelerator", "json"),
    ("rds", "query"), ("autoscaling", "query"), ("s3control", "rest-xml"), ("fis", "rest-json"), ("kafka", "rest-json"),
    ("secretsmanager", "json"), ("logs", "json"), ("networkmonitor", "rest-json"), ("route53domains", "smithy-rpc-v2-cbor"),
]  # fmt: skip
SEEDS = 1
# Its `Event` and `Events` share one element, so that no parser can tell them apart.
AMBIGUOUS = {"PutBucketNotification"}
# Told by HTTP itself, or changed by a client's own handlers behind its serializer.
SKIPPED_MEMBERS = {"s3": {"ContentLength", "ContentMD5", "Expires"}}


def _plain(value: Any) -> Any:
    """Timestamps to seconds, so that formats of different precision compare; floats kept."""
    if isinstance(value, datetime):
        return ("time", math.floor(value.timestamp()))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6)
    return bytes(value) if isinstance(value, bytearray) else value


@pytest.mark.parametrize(("name", "protocol"), SERVICES)
def test_what_botocore_sends_is_what_a_handler_gets(name: str, protocol: str) -> None:
    service, model = CATALOG.service(name), botocore_model(name)
    wrong = []
    for operation in service.operations.values():
        shape = service.input_shape(operation)
        if shape is None or any(service.target(each).eventstream for each in shape.members.values()):
            continue
        if operation.name in AMBIGUOUS:
            continue
        for seed in range(SEEDS):
            params = Values(service, f"{name}{operation.name}{seed}").structure(shape)
            for skipped in SKIPPED_MEMBERS.get(name, ()):
                params.pop(skipped, None)
            try:
                request = request_of(model, operation.name, params, protocol)
                labels: Any = {}
                if protocol.startswith("rest"):
                    found = PathTable(service).match(
                        request.method, request.path, query_values(request.query), request.headers
                    )
                    assert found is not None, f"no path for {request.method} {request.target}"
                    assert found.operation == operation.name or name == "s3", found
                    if found.operation != operation.name:
                        continue
                    labels = found.labels
                got = PROTOCOLS[protocol].compile_parser(service, operation)(request, labels)
                for skipped in SKIPPED_MEMBERS.get(name, ()):
                    got.pop(skipped, None)
                _without_known_queries(service, operation, shape, got)
                assert _plain(got) == _plain(params)
            except Exception as error:
                wrong.append((operation.name, f"{type(error).__name__}: {error}"))
    assert not wrong, f"{len(wrong)} of {len(service.operations)}: {wrong[:8]}"


@pytest.mark.parametrize(("name", "protocol"), SERVICES)
def test_what_a_handler_gives_is_what_botocore_reads(name: str, protocol: str) -> None:
    service, model = CATALOG.service(name), botocore_model(name)
    wrong = []
    for operation in service.operations.values():
        shape = service.output_shape(operation)
        if shape is None or any(service.target(each).eventstream for each in shape.members.values()):
            continue
        for seed in range(SEEDS):
            result = Values(service, f"{name}{operation.name}{seed}", output=True).structure(shape)
            try:
                response = PROTOCOLS[protocol].compile_serializer(service, operation)(result, "id-1")
                read = read_by_botocore(model, operation.name, protocol, *response)
                if read is not None:
                    result.update(
                        {key: response.status for key, each in shape.members.items() if each.location == "statusCode"}
                    )
                    assert _plain(read) == _plain(result)
            except Exception as error:
                wrong.append((operation.name, f"{type(error).__name__}: {error}"))
    assert not wrong, f"{len(wrong)} of {len(service.operations)}: {wrong[:8]}"


@pytest.mark.parametrize(("name", "protocol"), SERVICES)
def test_an_empty_result_is_an_answer_without_optional_members(name: str, protocol: str) -> None:
    service, model = CATALOG.service(name), botocore_model(name)
    wrong = []
    for operation in service.operations.values():
        shape = service.output_shape(operation)
        if shape is not None and (
            shape.payload or any(service.target(each).eventstream for each in shape.members.values())
        ):
            continue
        nothing = dict.fromkeys(shape.members if shape is not None else ())
        response = PROTOCOLS[protocol].compile_serializer(service, operation)(nothing, "id-1")
        read = read_by_botocore(model, operation.name, protocol, *response)
        told = {key: value for key, value in read.items() if not (value == {} and _is_header_map(shape, key))}
        told = {key: value for key, value in told.items() if shape.members[key].location != "statusCode"}
        if told:
            wrong.append((operation.name, told))
    assert not wrong, wrong[:8]


def _is_header_map(shape: Any, name: str) -> bool:
    return shape is not None and shape.members[name].location == "headers"


def _without_known_queries(service: Any, operation: Any, shape: Any, params: dict[str, Any]) -> None:
    """A map of all query parameters holds those too that have members of their own (Smithy, httpQueryParams)."""
    names = {each.location_name for each in shape.members.values() if each.location == "querystring"}
    names |= set(query_values(operation.http.request_uri.partition("?")[2]))
    for name, member in shape.members.items():
        if member.location == "querystring" and service.target(member).type == "map" and name in params:
            params[name] = {key: value for key, value in params[name].items() if key not in names}
