"""Whether a distribution may be so, with AWS's errors. Pure reads over a transaction.

CloudFront API Reference, CreateDistribution; Developer Guide, "Requirements for using alternate domain names",
"Restrictions on CloudFront Functions" and "Restrictions on Lambda@Edge".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import build_arn, parse_arn
from kunren.services.acm.material import find_certificate
from kunren.services.acm.model import ISSUED
from kunren.services.cloudfront.anycast_ip_lists.model import AnycastIpList
from kunren.services.cloudfront.errors import (
    CNAMEAlreadyExists,
    EntityNotFound,
    InconsistentQuantities,
    InvalidArgument,
    InvalidErrorCode,
    InvalidFunctionAssociation,
    InvalidGeoRestrictionParameter,
    InvalidLambdaFunctionAssociation,
    InvalidOrigin,
    InvalidResponseCode,
    InvalidTTLOrder,
    InvalidViewerCertificate,
    NoSuchOrigin,
    NotHere,
    TooManyCacheBehaviors,
    TooManyDistributionCNAMEs,
    TooManyKeyGroupsAssociatedToDistribution,
    TooManyOrigins,
    TrustedKeyGroupDoesNotExist,
)
from kunren.services.cloudfront.model import Distribution, Function, KeyGroup
from kunren.services.cloudfront.origin_access.rules import check_access
from kunren.services.cloudfront.policies import cache_policy, origin_request_policy, response_headers_policy
from kunren.services.cloudfront.realtime_logs.rules import attached as realtime_log_config
from kunren.services.cloudfront.vpc_origins.model import VpcOrigin
from kunren.services.lambda_.model import PublishedVersion

View: TypeAlias = Snapshot | Tx
ALIASES_MAX, BEHAVIOURS_MAX, ORIGINS_MAX = 100, 75, 25  # Quotas, per distribution
KEY_GROUPS_MAX = 4  # per cache behaviour
_METHODS = (
    frozenset({"GET", "HEAD"}),
    frozenset({"GET", "HEAD", "OPTIONS"}),
    frozenset({"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"}),
)
_ERROR_CODES = frozenset({400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504})
_RESPONSE_CODES = frozenset({"200", "400", "403", "404", "405", "414", "416", "500", "501", "502", "503", "504"})
_NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9-]+", re.IGNORECASE)
_COUNTRY = re.compile(r"[A-Z]{2}")
_LAMBDA_RUNTIMES = ("nodejs", "python")
_ORIGIN_KINDS = ("CustomOriginConfig", "S3OriginConfig", "VpcOriginConfig")
_VIEWER_EVENTS = frozenset({"viewer-request", "viewer-response"})


def items(given: Any) -> list[Any]:
    """The items of a `{Quantity, Items}`. Raises InconsistentQuantities."""
    if not given:
        return []
    found = given.get("Items") or []
    if given.get("Quantity", len(found)) != len(found):
        raise InconsistentQuantities
    return list(found)


def behaviours_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [*items(config.get("CacheBehaviors")), config["DefaultCacheBehavior"]]


def check(view: View, account: str, config: dict[str, Any], own_id: str | None) -> None:
    """Raises what is wrong with a completed configuration; `own_id` is that of the distribution that changes."""
    _check_what_is_not_here(config)
    targets = _check_origins(view, account, config)
    if config.get("AnycastIpListId") and view.get(AnycastIpList, account, "", config["AnycastIpListId"]) is None:
        raise EntityNotFound
    for each in items(config["Origins"]):
        check_access(view, account, each)
    behaviours = behaviours_of(config)
    if len(behaviours) - 1 > BEHAVIOURS_MAX:
        raise TooManyCacheBehaviors
    patterns = [each.get("PathPattern") for each in behaviours[:-1]]
    if len(set(patterns)) < len(patterns):
        raise InvalidArgument("The parameter PathPattern contains duplicates.")
    for behaviour in behaviours:
        if behaviour["TargetOriginId"] not in targets:
            raise NoSuchOrigin
        _check_behaviour(view, account, behaviour)
    for each in items(config["CustomErrorResponses"]):
        if each["ErrorCode"] not in _ERROR_CODES:
            raise InvalidErrorCode
        if bool(each.get("ResponseCode")) != bool(each.get("ResponsePagePath")):
            raise InvalidArgument("ResponsePagePath and ResponseCode must be given together.")
        if each.get("ResponseCode") and each["ResponseCode"] not in _RESPONSE_CODES:
            raise InvalidResponseCode
    _check_countries(config["Restrictions"]["GeoRestriction"])
    _check_names(view, account, config, own_id)


def _check_countries(given: dict[str, Any]) -> None:
    """Two-letter codes (ISO 3166-1), and none where nothing is restricted."""
    countries = items(given)
    if (given["RestrictionType"] == "none") == bool(countries) or not all(
        _COUNTRY.fullmatch(each) for each in countries
    ):
        raise InvalidGeoRestrictionParameter


def _check_what_is_not_here(config: dict[str, Any]) -> None:
    for member, what in (
        ("WebACLId", "web ACLs"),
        ("TenantConfig", "distribution tenants"),
        ("ViewerMtlsConfig", "mutual TLS of viewers"),
        ("ConnectionFunctionAssociation", "connection functions"),
        ("CacheTagConfig", "cache tags"),
    ):
        if config.get(member):
            raise NotHere(f"Kunren has no {what} of distributions yet: leave {member} out.")
    if config.get("ConnectionMode") == "tenant-only":
        raise NotHere("Kunren has no distribution tenants: leave ConnectionMode out.")


def _check_origins(view: View, account: str, config: dict[str, Any]) -> set[str]:
    """The ids that a behaviour may target."""
    origins = items(config["Origins"])
    if not origins:
        raise InvalidArgument("Your request must contain at least one origin.")
    if len(origins) > ORIGINS_MAX:
        raise TooManyOrigins
    ids = [each["Id"] for each in origins]
    if len(set(ids)) < len(ids):
        raise InvalidArgument("The parameter Origin Id contains duplicates.")
    for each in origins:
        items(each["CustomHeaders"])
        _check_origin_is_plain(each)
        if sum(bool(each.get(member)) for member in _ORIGIN_KINDS) != 1:
            raise InvalidArgument(f"The parameter Origin must have exactly one of {', '.join(_ORIGIN_KINDS)}.")
        vpc = each.get("VpcOriginConfig") or {}
        if vpc and view.get(VpcOrigin, account, "", vpc["VpcOriginId"]) is None:
            raise EntityNotFound
        if not _NAME.fullmatch(each["DomainName"]) or each["DomainName"].startswith("*"):
            raise InvalidOrigin("The parameter Origin DomainName does not refer to a valid S3 bucket or domain name.")
        if each["OriginPath"] and (not each["OriginPath"].startswith("/") or each["OriginPath"].endswith("/")):
            raise InvalidArgument("The parameter OriginPath must begin with / and must not end with /.")
    for group in items(config["OriginGroups"]):
        members = [each["OriginId"] for each in items(group["Members"])]
        if len(members) != 2 or not set(members) <= set(ids):
            raise NoSuchOrigin
        ids.append(group["Id"])
    return set(ids)


def _check_origin_is_plain(origin: dict[str, Any]) -> None:
    """What an origin may have on AWS, and nothing here would act upon."""
    custom = origin.get("CustomOriginConfig") or origin.get("VpcOriginConfig") or {}
    for given, what in (
        (origin["OriginShield"].get("Enabled"), "Origin Shield: leave it disabled"),
        (origin.get("ResponseCompletionTimeout"), "response completion timeouts: leave ResponseCompletionTimeout out"),
        (custom.get("OriginMtlsConfig"), "mutual TLS with origins: leave OriginMtlsConfig out"),
        (custom.get("OriginHttpVersion") == "http2", "HTTP/2 to origins: pass http1.1 as OriginHttpVersion"),
    ):
        if given:
            raise NotHere(f"Kunren has no {what}.")


def _check_behaviour(view: View, account: str, behaviour: dict[str, Any]) -> None:
    allowed = behaviour["AllowedMethods"]
    if frozenset(items(allowed)) not in _METHODS or frozenset(items(allowed["CachedMethods"])) not in _METHODS[:2]:
        raise InvalidArgument("The parameter AllowedMethods does not have a valid combination of methods.")
    _check_signers(view, account, behaviour)
    if behaviour["SmoothStreaming"] or behaviour["GrpcConfig"].get("Enabled"):
        raise NotHere("Kunren has no Smooth Streaming and no gRPC at the edge: leave them disabled.")
    if behaviour.get("FieldLevelEncryptionId"):
        raise NotHere("Kunren has no field-level encryption: leave FieldLevelEncryptionId out.")
    if behaviour.get("RealtimeLogConfigArn"):
        realtime_log_config(view, account, behaviour["RealtimeLogConfigArn"])
    policy, legacy = behaviour.get("CachePolicyId"), behaviour.get("ForwardedValues")
    if policy and legacy:
        raise InvalidArgument(
            "The parameter ForwardedValues cannot be used when a cache policy is associated to the cache behavior."
        )
    if policy:
        cache_policy(view, account, policy)
    elif legacy:
        _check_ttls(behaviour)
    else:
        raise InvalidArgument("The parameter ForwardedValues is required.")
    if behaviour.get("OriginRequestPolicyId"):
        if not policy:
            raise InvalidArgument("The parameter OriginRequestPolicyId requires a cache policy.")
        origin_request_policy(view, account, behaviour["OriginRequestPolicyId"])
    if behaviour.get("ResponseHeadersPolicyId"):
        response_headers_policy(view, account, behaviour["ResponseHeadersPolicyId"])
    _check_functions(view, account, behaviour)


def _check_signers(view: View, account: str, behaviour: dict[str, Any]) -> None:
    if behaviour["TrustedSigners"].get("Enabled"):
        raise NotHere("No API of AWS's gives an account a key pair: make a key group, and leave TrustedSigners out.")
    groups = items(behaviour["TrustedKeyGroups"])
    if behaviour["TrustedKeyGroups"].get("Enabled") and not groups:
        raise InvalidArgument("The parameter TrustedKeyGroups must have at least one key group when it is enabled.")
    if len(groups) > KEY_GROUPS_MAX:
        raise TooManyKeyGroupsAssociatedToDistribution
    if any(view.get(KeyGroup, account, "", each) is None for each in groups):
        raise TrustedKeyGroupDoesNotExist


def _check_ttls(config: dict[str, Any]) -> None:
    if not 0 <= config["MinTTL"] <= config["DefaultTTL"] <= config["MaxTTL"]:
        raise InvalidTTLOrder


def _check_functions(view: View, account: str, behaviour: dict[str, Any]) -> None:
    scripts = items(behaviour["FunctionAssociations"])
    lambdas = items(behaviour["LambdaFunctionAssociations"])
    for each in scripts:
        name = each["FunctionARN"].rpartition("/")[2]
        found = view.get(Function, account, "", name)
        if found is None or found.live is None:
            raise InvalidFunctionAssociation(
                f"The function ARN {each['FunctionARN']} doesn't exist or isn't published to the LIVE stage."
            )
        if each["EventType"] not in _VIEWER_EVENTS:
            raise InvalidFunctionAssociation(f"{each['EventType']} is not an event type of CloudFront Functions.")
    _once(scripts, InvalidFunctionAssociation)
    _once(lambdas, InvalidLambdaFunctionAssociation)
    if scripts and any(each["EventType"] in _VIEWER_EVENTS for each in lambdas):
        raise InvalidFunctionAssociation(
            "A cache behavior can't have CloudFront Functions and Lambda@Edge functions for viewer events."
        )
    for each in lambdas:
        _check_lambda(view, each)


def _once(associations: Iterable[dict[str, Any]], error: type[Exception]) -> None:
    events = [each["EventType"] for each in associations]
    if len(set(events)) < len(events):
        raise error("A cache behavior can have one function for each event type.")


def _check_lambda(view: View, association: dict[str, Any]) -> None:
    arn = association["LambdaFunctionARN"]
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "lambda":
        raise InvalidLambdaFunctionAssociation(f"The function ARN is not valid. ARN: {arn}")
    if parsed.region != "us-east-1":
        raise InvalidLambdaFunctionAssociation(f"The function must be in region 'us-east-1'. ARN: {arn}")
    words = parsed.resource.split(":")
    if len(words) != 3 or not words[2].isdigit():
        raise InvalidLambdaFunctionAssociation(
            "The function ARN must reference a specific function version. (The ARN must end with the version number.) "
            f"ARN: {arn}"
        )
    found = view.get(PublishedVersion, parsed.account, parsed.region, f"{words[1]}:{words[2]}")
    if found is None:
        raise InvalidLambdaFunctionAssociation(f"The function ARN doesn't exist. ARN: {arn}")
    if found.environment:
        raise InvalidLambdaFunctionAssociation(f"The function cannot have environment variables. Function: {arn}")
    if not found.runtime.startswith(_LAMBDA_RUNTIMES):
        raise InvalidLambdaFunctionAssociation(f"The runtime {found.runtime} isn't supported. Function: {arn}")
    if found.layers:
        raise InvalidLambdaFunctionAssociation(f"The function cannot have layers. Function: {arn}")


def _check_names(view: View, account: str, config: dict[str, Any], own_id: str | None) -> None:
    names = [each.lower() for each in items(config["Aliases"])]
    if len(names) > ALIASES_MAX:
        raise TooManyDistributionCNAMEs
    if bad := next((each for each in names if not _NAME.fullmatch(each) or each.endswith(".cloudfront.net")), None):
        raise InvalidArgument(f"The parameter CNAME contains one or more parameters that are not valid: {bad}")
    if len(set(names)) < len(names):
        raise InvalidArgument("The parameter CNAME contains duplicates.")
    _check_certificate(view, account, config["ViewerCertificate"], names)
    for other in view.every(Distribution):
        if other.id != own_id and set(names) & {each.lower() for each in items(other.config["Aliases"])}:
            raise CNAMEAlreadyExists


def _check_certificate(view: View, account: str, viewer: dict[str, Any], names: list[str]) -> None:
    if viewer.get("IAMCertificateId"):
        raise NotHere("Kunren has no IAM server certificates for distributions: import the certificate into ACM.")
    arn = viewer.get("ACMCertificateArn")
    if not arn:
        if names:
            raise InvalidViewerCertificate(InvalidViewerCertificate.NO_CERTIFICATE)
        return
    if viewer["SSLSupportMethod"] != "sni-only":
        raise NotHere("Kunren has no dedicated addresses for distributions: pass SSLSupportMethod=sni-only.")
    found = find_certificate(view, arn)
    if found is None or found.region != "us-east-1" or found.account != account or found.status != ISSUED:
        raise InvalidViewerCertificate(InvalidViewerCertificate.NOT_USABLE)
    if not all(covered(name, found.names) for name in names):
        raise InvalidViewerCertificate(InvalidViewerCertificate.NOT_COVERED)


def covered(name: str, certified: Iterable[str]) -> bool:
    """Whether one of a certificate's names is this one, or a wildcard for its level."""
    level = "*." + name.partition(".")[2]
    return any(each.lower() in (name, level) for each in certified)


def distributions_with(view: View, certificate_arn: str) -> list[str]:
    """The ARNs of the distributions that have this certificate."""
    return [
        build_arn("cloudfront", "", each.account, f"distribution/{each.id}")
        for each in view.every(Distribution)
        if each.config["ViewerCertificate"].get("ACMCertificateArn") == certificate_arn
    ]
