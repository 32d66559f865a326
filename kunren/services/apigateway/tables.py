"""The tables of patch operations ("Patch Operations", API Gateway REST API Reference), one for each update."""

from __future__ import annotations

from kunren.services.apigateway.patching import ALL, BOOLEAN, FLAG, INTEGER, LIST, NUMBER, OPTIONAL, SET, Rule

ENDPOINT_TYPES = ("EDGE", "REGIONAL", "PRIVATE")
AUTHORIZATION_TYPES = ("NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS")
PASSTHROUGH = ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER")
CONTENT_HANDLING = ("CONVERT_TO_BINARY", "CONVERT_TO_TEXT", "")

REST_API = (
    Rule("/name"),
    Rule("/description"),
    Rule("/policy", operations=ALL),
    Rule("/apiKeySource", choices=("HEADER", "AUTHORIZER")),
    Rule("/minimumCompressionSize", OPTIONAL, ALL),
    Rule("/disableExecuteApiEndpoint", BOOLEAN),
    Rule("/binaryMediaTypes", LIST, ALL),
    Rule("/binaryMediaTypes/{item}", LIST, ALL),
    Rule("/endpointConfiguration/types/{item}", LIST),
    Rule("/endpointConfiguration/types", LIST),
    Rule("/endpointConfiguration/vpcEndpointIds", LIST, ("add", "remove")),
    Rule("/endpointConfiguration/ipAddressType", choices=("ipv4", "dualstack")),
    Rule("/securityPolicy"),
    Rule("/endpointAccessMode", choices=("BASIC", "STRICT")),
)
RESOURCE = (Rule("/parentId"), Rule("/pathPart"))
METHOD = (
    Rule("/authorizationType", choices=AUTHORIZATION_TYPES),
    Rule("/authorizerId", operations=ALL),
    Rule("/authorizationScopes", LIST, ("add", "remove")),
    Rule("/apiKeyRequired", BOOLEAN),
    Rule("/operationName", operations=ALL),
    Rule("/requestValidatorId", operations=ALL),
    Rule("/requestParameters/{name}", FLAG, ALL),
    Rule("/requestModels/{contentType}", operations=ALL),
)
METHOD_RESPONSE = (
    Rule("/responseParameters/{name}", FLAG, ALL),
    Rule("/responseModels/{contentType}", operations=ALL),
)
INTEGRATION = (
    Rule("/type", choices=("HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY", "MOCK")),
    Rule("/uri"),
    Rule("/httpMethod"),
    Rule("/credentials", operations=ALL),
    Rule("/connectionType", choices=("INTERNET", "VPC_LINK")),
    Rule("/connectionId", operations=ALL),
    Rule("/integrationTarget", operations=ALL),
    Rule("/passthroughBehavior", choices=PASSTHROUGH),
    Rule("/contentHandling", operations=ALL, choices=CONTENT_HANDLING),
    Rule("/timeoutInMillis", INTEGER),
    Rule("/responseTransferMode", choices=("BUFFERED", "STREAM")),
    Rule("/tlsConfig/insecureSkipVerification", BOOLEAN, SET),
    Rule("/cacheNamespace"),
    Rule("/cacheKeyParameters", LIST, ("add", "remove", "replace")),
    Rule("/cacheKeyParameters/{item}", LIST, ("add", "remove")),
    Rule("/requestParameters/{name}", operations=ALL),
    Rule("/requestTemplates/{contentType}", operations=ALL),
)
INTEGRATION_RESPONSE = (
    Rule("/contentHandling", operations=ALL, choices=CONTENT_HANDLING),
    Rule("/selectionPattern", operations=ALL),
    Rule("/responseParameters/{name}", operations=ALL),
    Rule("/responseTemplates/{contentType}", operations=ALL),
)
MODEL = (Rule("/description"), Rule("/schema"))
REQUEST_VALIDATOR = (
    Rule("/name"), Rule("/validateRequestBody", BOOLEAN), Rule("/validateRequestParameters", BOOLEAN),
)  # fmt: skip
AUTHORIZER = (
    Rule("/name"),
    Rule("/type"),
    Rule("/authType"),
    Rule("/authorizerUri"),
    Rule("/authorizerCredentials", operations=ALL),
    Rule("/authorizerResultTtlInSeconds", INTEGER),
    Rule("/identitySource", operations=ALL),
    Rule("/identityValidationExpression", operations=ALL),
    Rule("/providerARNs", LIST, ("add", "remove")),
)
DEPLOYMENT = (Rule("/description"),)
STAGE = (
    Rule("/deploymentId", operations=("replace", "copy")),
    Rule("/description"),
    Rule("/cacheClusterEnabled", BOOLEAN),
    Rule("/cacheClusterSize"),
    Rule("/clientCertificateId"),
    Rule("/accessLogSettings/destinationArn", operations=SET),
    Rule("/accessLogSettings/format", operations=SET),
    Rule("/accessLogSettings", operations=("remove",)),
    Rule("/variables/{name}", operations=(*ALL, "copy")),
    Rule("/variables", operations=("remove", "copy")),
    Rule("/canarySettings/percentTraffic", NUMBER, SET),
    Rule("/canarySettings/deploymentId", operations=SET),
    Rule("/canarySettings/useStageCache", BOOLEAN, SET),
    Rule("/canarySettings/stageVariableOverrides/{name}", operations=ALL),
    Rule("/canarySettings/stageVariableOverrides", operations=("remove",)),
    Rule("/canarySettings", operations=("remove",)),
    Rule("/tracingEnabled", BOOLEAN),
)
METHOD_SETTINGS = {
    "metrics/enabled": Rule("metricsEnabled", BOOLEAN),
    "logging/dataTrace": Rule("dataTraceEnabled", BOOLEAN),
    "logging/loglevel": Rule("loggingLevel", choices=("OFF", "ERROR", "INFO")),
    "throttling/burstLimit": Rule("throttlingBurstLimit", INTEGER),
    "throttling/rateLimit": Rule("throttlingRateLimit", NUMBER),
    "caching/ttlInSeconds": Rule("cacheTtlInSeconds", INTEGER),
    "caching/enabled": Rule("cachingEnabled", BOOLEAN),
    "caching/dataEncrypted": Rule("cacheDataEncrypted", BOOLEAN),
    "caching/requireAuthorizationForCacheControl": Rule("requireAuthorizationForCacheControl", BOOLEAN),
    "caching/unauthorizedCacheControlHeaderStrategy": Rule(
        "unauthorizedCacheControlHeaderStrategy",
        choices=("FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"),
    ),
}
"""What stands behind `/{resourcePath}/{httpMethod}/`, and the member of a MethodSetting that it sets."""
GATEWAY_RESPONSE = (
    Rule("/statusCode", operations=ALL),
    Rule("/responseParameters/{name}", operations=ALL),
    Rule("/responseTemplates/{contentType}", operations=ALL),
)
USAGE_PLAN = (
    Rule("/name"),
    Rule("/description"),
    Rule("/productCode", operations=ALL),
    Rule("/throttle", operations=("remove",)),
    Rule("/throttle/rateLimit", NUMBER, SET),
    Rule("/throttle/burstLimit", INTEGER, SET),
    Rule("/quota", operations=("remove",)),
    Rule("/quota/limit", INTEGER, SET),
    Rule("/quota/offset", INTEGER, SET),
    Rule("/quota/period", operations=SET, choices=("DAY", "WEEK", "MONTH")),
)
API_KEY = (
    Rule("/name"),
    Rule("/description"),
    Rule("/customerId"),
    Rule("/enabled", BOOLEAN),
    Rule("/stages", LIST, ("add", "remove")),
    Rule("/labels", LIST, ("add", "remove")),
)
VPC_LINK = (Rule("/name"), Rule("/description"))
DOCUMENTATION_PART = (Rule("/properties"),)
DOCUMENTATION_VERSION = (Rule("/description"),)
ACCOUNT = (Rule("/cloudwatchRoleArn"), Rule("/features", LIST, ("add", "remove")))
