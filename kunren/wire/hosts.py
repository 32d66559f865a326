"""What a host name says: which service, which region, which bucket or other label in front.

Pure reading of names such as `sqs.us-east-1.amazonaws.com`, `bucket.s3.eu-west-1.amazonaws.com`,
`abc123.execute-api.us-east-1.amazonaws.com`. A host that is none of AWS's says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_SUFFIXES = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws", ".localhost", ".localhost.localstack.cloud")
_S3_LABELS = re.compile(r"(?:(?P<bucket>.+)\.)?(?P<kind>s3|s3-website|s3-accelerate|s3-fips|s3-external-1)")
_OLD_S3 = re.compile(r"(?:(?P<bucket>.+)\.)?s3-(?:website-)?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)")


class HostSays(NamedTuple):
    """`services` are candidates by endpoint prefix; `bucket` is set for S3's virtual hosts; `label` is what stood in
    front of the service's own name. `data_plane` is set for names that carry users' traffic and no service's API:
    execute-api, lambda-url or elb (whose API answers at elasticloadbalancing)."""

    services: tuple[str, ...]
    region: str
    bucket: str = ""
    label: str = ""
    data_plane: str = ""


NOTHING = HostSays((), "")


def read_host(host: str, endpoints: Mapping[str, tuple[str, ...]]) -> HostSays:
    """What `host` (without port) says. `endpoints` are services by endpoint prefix."""
    host = host.lower().rstrip(".")
    suffix = next((each for each in _SUFFIXES if host.endswith(each)), None)
    if suffix is None:
        return NOTHING
    name = host[: -len(suffix)]
    if suffix == ".on.aws":
        labels = name.split(".")
        return HostSays((), labels[-1], label=labels[0], data_plane="lambda-url") if "lambda-url" in labels else NOTHING
    if old := _OLD_S3.fullmatch(name):
        return HostSays(("s3",), old["region"], old["bucket"] or "")
    labels = name.split(".")
    region = ""
    for position, label in enumerate(labels):
        if REGION.fullmatch(label):
            region = label
            front, behind = labels[:position], labels[position + 1 :]
            labels = front or behind
            break
    labels = [each for each in labels if each != "dualstack"]
    if found := _S3_LABELS.fullmatch(".".join(labels)):
        return HostSays(("s3",), region, found["bucket"] or "")
    return _by_prefix(labels, region, endpoints)


def _by_prefix(labels: list[str], region: str, endpoints: Mapping[str, tuple[str, ...]]) -> HostSays:
    for start in range(len(labels)):
        prefix = ".".join(labels[start:])
        if prefix in ("execute-api", "elb"):
            return HostSays((), region, label=".".join(labels[:start]), data_plane=prefix)
        found = endpoints.get(prefix) or endpoints.get(prefix.removesuffix("-fips"))
        if found:
            return HostSays(found, region, label=".".join(labels[:start]))
    return HostSays((), region)
