"""What an HTTP API's parts must be, beyond what the model says. Pure; raises BadRequestException.

Developer guide, "Configure integrations for HTTP APIs", "Configure CORS for HTTP APIs".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from kunren.core.arn import parse_arn
from kunren.services.apigatewayv2.errors import BadRequestException, NotHere
from kunren.services.apigatewayv2.parameters import check_request_parameters, check_response_parameters
from kunren.services.apigatewayv2.subtypes import SUBTYPES

TAGS_MAX = 50
_LAMBDA_PATH = re.compile(r"arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(.+)/invocations")
_FUNCTION = re.compile(
    r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+|\$\{stageVariables\..+\}))?"
)
_WITH_VARIABLE = re.compile(r"\$\{stageVariables\.[A-Za-z0-9_]+\}")
_STAGE = re.compile(r"\$default|[a-zA-Z0-9_-]+")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9-._~:/?#&=,]*")
_SOURCE = re.compile(
    r"\$request\.(header|querystring)\.[^\s]+|\$context\.[a-zA-Z0-9._]+|\$stageVariables\.[A-Za-z0-9_]+"
)


def function_arn(uri: str) -> str | None:
    """The function of an integration's or authorizer's URI, in either form that AWS takes; None for another."""
    found = _LAMBDA_PATH.fullmatch(uri)
    arn = found[1] if found else uri
    plain = _WITH_VARIABLE.sub("variable", arn)
    return arn if _FUNCTION.fullmatch(plain) else None


def check_address_type(config: Mapping[str, Any]) -> None:
    """Raises NotHere: APIs answer over IPv4."""
    if config.get("IpAddressType", "ipv4") != "ipv4":
        raise NotHere("IpAddressType dualstack of APIs and custom domain names")


def check_cors(cors: Mapping[str, Any] | None) -> None:
    if not cors:
        return
    if cors.get("AllowCredentials") and "*" in cors.get("AllowOrigins", ()):
        raise BadRequestException("When allowCredentials is true, allowOrigins can not contain '*'")
    for origin in cors.get("AllowOrigins", ()):
        if origin != "*" and not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s]+", origin):
            raise BadRequestException(f"Invalid format for origin {origin}")


def check_tags(tags: Mapping[str, str] | None) -> None:
    if len(tags or ()) > TAGS_MAX:
        raise BadRequestException(f"The number of tags exceeds the limit of {TAGS_MAX}")
    for key in tags or ():
        if key.lower().startswith("aws:"):
            raise BadRequestException(f"Invalid tag key {key}: keys that begin with aws: are reserved for AWS use")


def check_integration(config: Mapping[str, Any]) -> None:
    kind, uri = config["IntegrationType"], config.get("IntegrationUri", "")
    if kind not in ("AWS_PROXY", "HTTP_PROXY"):
        raise BadRequestException(f"IntegrationType {kind} is not supported for HTTP protocol Apis")
    version = config.get("PayloadFormatVersion")
    if config.get("IntegrationSubtype"):
        _check_subtype(config)
    elif kind == "AWS_PROXY":
        if function_arn(uri) is None:
            raise BadRequestException("The specified integration URI is not a valid Lambda function ARN")
        if version not in ("1.0", "2.0"):
            raise BadRequestException(
                "PayloadFormatVersion must be 1.0 or 2.0 for an integration with a Lambda function"
            )
    elif config.get("ConnectionType") == "VPC_LINK":
        _check_private(config)
    elif not uri.startswith(("http://", "https://")) or not urlsplit(_WITH_VARIABLE.sub("v", uri)).netloc:
        raise BadRequestException("Invalid HTTP endpoint specified for URI")
    if kind == "HTTP_PROXY":
        if not config.get("IntegrationMethod"):
            raise BadRequestException("IntegrationMethod must be specified for an HTTP_PROXY integration")
        if version not in (None, "1.0"):
            raise BadRequestException("PayloadFormatVersion 1.0 is the only one for HTTP_PROXY integrations")
    check_request_parameters(config)
    check_response_parameters(config)


def _check_private(config: Mapping[str, Any]) -> None:
    if not config.get("ConnectionId"):
        raise BadRequestException("ConnectionId must be specified for a VPC_LINK connection")
    parts = parse_arn(config.get("IntegrationUri", ""))
    if parts is not None and parts.service == "servicediscovery":
        raise NotHere("integrations of HTTP APIs with AWS Cloud Map services")
    if parts is None or parts.service != "elasticloadbalancing" or not parts.resource.startswith("listener/"):
        raise BadRequestException(
            "For VpcLink integrations, the integration uri should be a valid ELB listener ARN or a valid Cloud Map "
            "service ARN."
        )


def _check_subtype(config: Mapping[str, Any]) -> None:
    name = config["IntegrationSubtype"]
    if name not in SUBTYPES:
        raise BadRequestException(f"Invalid integration subtype {name}")
    subtype = SUBTYPES[name]
    if subtype.operation is None:
        raise NotHere(f"the integration subtype {name}")
    if config["IntegrationType"] != "AWS_PROXY" or config.get("IntegrationUri"):
        raise BadRequestException("An integration with a subtype is of type AWS_PROXY and has no URI")
    if not config.get("CredentialsArn"):
        raise BadRequestException("CredentialsArn must be specified for an integration with a subtype")
    if config.get("PayloadFormatVersion") not in (None, "1.0"):
        raise BadRequestException("PayloadFormatVersion 1.0 is the only one for integrations with a subtype")
    told = set(config.get("RequestParameters", ()))
    if missing := [each for each in subtype.required if each not in told]:
        raise BadRequestException(f"Required parameters are missing: {', '.join(missing)}")
    if unknown := sorted(told - set(subtype.members)):
        raise BadRequestException(f"Unknown parameters for {name}: {', '.join(unknown)}")


def check_authorizer(config: Mapping[str, Any]) -> None:
    for source in config.get("IdentitySource", ()):
        if not _SOURCE.fullmatch(source):
            raise BadRequestException(f"Invalid identity source {source}")
    if config["AuthorizerType"] == "JWT":
        told = config.get("JwtConfiguration") or {}
        if not str(told.get("Issuer", "")).startswith("https://"):
            raise BadRequestException("JwtConfiguration.Issuer must be an https URL")
        if not told.get("Audience"):
            raise BadRequestException("JwtConfiguration.Audience must not be empty")
        if len(config.get("IdentitySource", ())) != 1:
            raise BadRequestException("A JWT authorizer has exactly one identity source")
        return
    if function_arn(config.get("AuthorizerUri", "")) is None:
        raise BadRequestException("AuthorizerUri is not a valid URI of a Lambda function")
    version = config.get("AuthorizerPayloadFormatVersion")
    if version not in ("1.0", "2.0"):
        raise BadRequestException("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer")
    if version == "1.0" and config.get("EnableSimpleResponses"):
        raise BadRequestException("EnableSimpleResponses is only supported for AuthorizerPayloadFormatVersion 2.0")
    if config.get("AuthorizerResultTtlInSeconds") and not config.get("IdentitySource"):
        raise BadRequestException("IdentitySource must be specified where authorizer results are cached")


def check_stage(name: str, config: Mapping[str, Any]) -> None:
    if not _STAGE.fullmatch(name):
        raise BadRequestException("Stage name only allows a-zA-Z0-9_- or $default")
    for key, value in config.get("StageVariables", {}).items():
        if not _VARIABLE_NAME.fullmatch(key) or len(key) > 64:
            raise BadRequestException(f"Invalid stage variable name: {key}. Please use A-Za-z0-9_ only")
        if not _VARIABLE_VALUE.fullmatch(value) or len(value) > 512:
            raise BadRequestException(f"Invalid stage variable value: {value}. Please use values matching "
                                      "[A-Za-z0-9-._~:/?#&=,]+")  # fmt: skip
    for settings in (config.get("DefaultRouteSettings"), *config.get("RouteSettings", {}).values()):
        for member in ("LoggingLevel", "DataTraceEnabled"):
            if (settings or {}).get(member) not in (None, False, "OFF"):
                raise BadRequestException("Execution logs are not supported on protocolType HTTP")
    _check_access_log(config.get("AccessLogSettings"))


def _check_access_log(settings: Mapping[str, Any] | None) -> None:
    if not settings or not settings.get("DestinationArn"):
        return
    parts = parse_arn(settings["DestinationArn"])
    if parts is not None and parts.service == "firehose":
        raise NotHere("access logs of HTTP APIs in Amazon Data Firehose")
    if parts is None or parts.service != "logs" or not parts.resource.startswith("log-group:"):
        raise BadRequestException(
            "Invalid ARN specified in the request. ARNs must start with 'arn:' and resource name must not be empty"
        )
    form = settings.get("Format") or ""
    if "$context.requestId" not in form and "$context.extendedRequestId" not in form:
        raise BadRequestException("Access log format must include $context.requestId or $context.extendedRequestId")
