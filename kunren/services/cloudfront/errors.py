"""The exceptions that cloudfront's model declares and its handlers raise (CloudFront API Reference)."""

from __future__ import annotations

from kunren.core.errors import AwsError, WireError

_ALIAS_HELP = (
    "For more details, see: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/CNAMEs.html"
    "#alternate-domain-names-requirements"
)


class _Fixed(AwsError):
    """An error that always says the same."""

    text = ""

    def __init__(self, text: str = "") -> None:
        super().__init__(text or self.text)


class NoSuchDistribution(_Fixed):
    code, status = "NoSuchDistribution", 404
    text = "The specified distribution does not exist."


class NoSuchCachePolicy(_Fixed):
    code, status = "NoSuchCachePolicy", 404
    text = "The specified cache policy does not exist."


class NoSuchOriginRequestPolicy(_Fixed):
    code, status = "NoSuchOriginRequestPolicy", 404
    text = "The specified origin request policy does not exist."


class NoSuchResponseHeadersPolicy(_Fixed):
    code, status = "NoSuchResponseHeadersPolicy", 404
    text = "The specified response headers policy does not exist."


class CachePolicyAlreadyExists(_Fixed):
    code, status = "CachePolicyAlreadyExists", 409
    text = "A cache policy with the same name already exists."


class OriginRequestPolicyAlreadyExists(_Fixed):
    code, status = "OriginRequestPolicyAlreadyExists", 409
    text = "An origin request policy with the same name already exists."


class ResponseHeadersPolicyAlreadyExists(_Fixed):
    code, status = "ResponseHeadersPolicyAlreadyExists", 409
    text = "A response headers policy with the same name already exists."


class CachePolicyInUse(_Fixed):
    code, status = "CachePolicyInUse", 409
    text = "The cache policy is attached to one or more cache behaviors."


class OriginRequestPolicyInUse(_Fixed):
    code, status = "OriginRequestPolicyInUse", 409
    text = "The origin request policy is attached to one or more cache behaviors."


class ResponseHeadersPolicyInUse(_Fixed):
    code, status = "ResponseHeadersPolicyInUse", 409
    text = "The response headers policy is attached to one or more cache behaviors."


class IllegalDelete(_Fixed):
    code = "IllegalDelete"
    text = "You cannot delete a managed policy."


class IllegalUpdate(_Fixed):
    code = "IllegalUpdate"
    text = "The update contains modifications that are not allowed."


class NoSuchOrigin(_Fixed):
    code, status = "NoSuchOrigin", 404
    text = "One or more of your origins or origin groups do not exist."


class NoSuchInvalidation(_Fixed):
    code, status = "NoSuchInvalidation", 404
    text = "The specified invalidation does not exist."


class NoSuchFunctionExists(_Fixed):
    code, status = "NoSuchFunctionExists", 404
    text = "The specified function does not exist."


class FunctionAlreadyExists(_Fixed):
    code, status = "FunctionAlreadyExists", 409
    text = "A function with this name already exists in this AWS account."


class FunctionInUse(_Fixed):
    code, status = "FunctionInUse", 409
    text = "Cannot delete function, it is in use by 1 distributions."


class FunctionSizeLimitExceeded(_Fixed):
    code, status = "FunctionSizeLimitExceeded", 413
    text = "The function is too large."


class NoSuchResource(_Fixed):
    code, status = "NoSuchResource", 404
    text = "The specified resource does not exist."


class PreconditionFailed(_Fixed):
    code, status = "PreconditionFailed", 412
    text = "The request failed because it didn't meet the preconditions in one or more request-header fields."


class InvalidIfMatchVersion(_Fixed):
    code = "InvalidIfMatchVersion"
    text = "The If-Match version is missing or not valid for the resource."


class DistributionAlreadyExists(_Fixed):
    code, status = "DistributionAlreadyExists", 409
    text = "The caller reference that you are using to create a distribution is associated with another distribution."


class DistributionNotDisabled(_Fixed):
    code, status = "DistributionNotDisabled", 409
    text = "The distribution you are trying to delete has not been disabled."


class CNAMEAlreadyExists(_Fixed):
    code, status = "CNAMEAlreadyExists", 409
    text = "One or more of the CNAMEs you provided are already associated with a different resource."


class InvalidViewerCertificate(_Fixed):
    code = "InvalidViewerCertificate"

    NO_CERTIFICATE = (
        "To add an alternate domain name (CNAME) to a CloudFront distribution, you must attach a trusted certificate "
        f"that validates your authorization to use the domain name. {_ALIAS_HELP}"
    )
    NOT_COVERED = (
        "The certificate that is attached to your distribution doesn't cover the alternate domain name (CNAME) that "
        f"you're trying to add. {_ALIAS_HELP}"
    )
    NOT_USABLE = (
        "The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't include a "
        "valid certificate chain."
    )


class NoSuchPublicKey(_Fixed):
    code, status = "NoSuchPublicKey", 404
    text = "The specified public key doesn't exist."


class PublicKeyAlreadyExists(_Fixed):
    code, status = "PublicKeyAlreadyExists", 409
    text = "The specified public key already exists."


class PublicKeyInUse(_Fixed):
    code, status = "PublicKeyInUse", 409
    text = "The specified public key is in use."


class CannotChangeImmutablePublicKeyFields(_Fixed):
    code = "CannotChangeImmutablePublicKeyFields"
    text = "You can't change the value of a public key."


class TooManyPublicKeys(_Fixed):
    code = "TooManyPublicKeys"
    text = "The maximum number of public keys has been created. To create a new one, delete one of the existing keys."


class KeyGroupAlreadyExists(_Fixed):
    code, status = "KeyGroupAlreadyExists", 409
    text = "A key group with this name already exists. You must provide a unique name."


class TooManyKeyGroups(_Fixed):
    code = "TooManyKeyGroups"
    text = "You have reached the maximum number of key groups for this AWS account."


class TooManyPublicKeysInKeyGroup(_Fixed):
    code = "TooManyPublicKeysInKeyGroup"
    text = "The number of public keys in this key group is more than the maximum allowed."


class TooManyKeyGroupsAssociatedToDistribution(_Fixed):
    code = "TooManyKeyGroupsAssociatedToDistribution"
    text = "The number of key groups referenced by this distribution is more than the maximum allowed."


class TrustedKeyGroupDoesNotExist(_Fixed):
    code = "TrustedKeyGroupDoesNotExist"
    text = "The specified key group does not exist."


class ResourceInUse(_Fixed):
    code, status = "ResourceInUse", 409
    text = "Cannot delete this resource because it is in use."


class NoSuchOriginAccessControl(_Fixed):
    code, status = "NoSuchOriginAccessControl", 404
    text = "The origin access control does not exist."


class OriginAccessControlAlreadyExists(_Fixed):
    code, status = "OriginAccessControlAlreadyExists", 409
    text = "An origin access control with the specified parameters already exists."


class OriginAccessControlInUse(_Fixed):
    code, status = "OriginAccessControlInUse", 409
    text = "Cannot delete the origin access control because it's in use by one or more distributions."


class TooManyOriginAccessControls(_Fixed):
    code = "TooManyOriginAccessControls"
    text = "The number of origin access controls in your AWS account exceeds the maximum allowed."


class InvalidOriginAccessControl(_Fixed):
    code = "InvalidOriginAccessControl"
    text = "The origin access control is not valid."


class InvalidDomainNameForOriginAccessControl(_Fixed):
    code = "InvalidDomainNameForOriginAccessControl"
    text = "An origin access control is associated with an origin whose domain name is not supported."


class IllegalOriginAccessConfiguration(_Fixed):
    code = "IllegalOriginAccessConfiguration"
    text = "An origin cannot contain both an origin access control (OAC) and an origin access identity (OAI)."


class NoSuchCloudFrontOriginAccessIdentity(_Fixed):
    code, status = "NoSuchCloudFrontOriginAccessIdentity", 404
    text = "The specified origin access identity does not exist."


class CloudFrontOriginAccessIdentityAlreadyExists(_Fixed):
    code, status = "CloudFrontOriginAccessIdentityAlreadyExists", 409
    text = "The caller reference that you are using to create an origin access identity is associated with another one."


class CloudFrontOriginAccessIdentityInUse(_Fixed):
    code, status = "CloudFrontOriginAccessIdentityInUse", 409
    text = "The Origin Access Identity specified is already in use."


class TooManyCloudFrontOriginAccessIdentities(_Fixed):
    code = "TooManyCloudFrontOriginAccessIdentities"
    text = "Processing your request would cause you to exceed the maximum number of origin access identities allowed."


class InvalidOriginAccessIdentity(_Fixed):
    code = "InvalidOriginAccessIdentity"
    text = "The origin access identity is not valid or doesn't exist."


class InvalidGeoRestrictionParameter(_Fixed):
    code = "InvalidGeoRestrictionParameter"
    text = "The specified geo restriction parameter is not valid."


class TooManyCachePolicies(_Fixed):
    code = "TooManyCachePolicies"
    text = "You have reached the maximum number of cache policies for this AWS account."


class TooManyOriginRequestPolicies(_Fixed):
    code = "TooManyOriginRequestPolicies"
    text = "You have reached the maximum number of origin request policies for this AWS account."


class TooManyResponseHeadersPolicies(_Fixed):
    code = "TooManyResponseHeadersPolicies"
    text = "You have reached the maximum number of response headers policies for this AWS account."


class TooManyCustomHeadersInResponseHeadersPolicy(_Fixed):
    code = "TooManyCustomHeadersInResponseHeadersPolicy"
    text = "The number of custom headers in the response headers policy exceeds the maximum."


class TooManyRemoveHeadersInResponseHeadersPolicy(_Fixed):
    code = "TooManyRemoveHeadersInResponseHeadersPolicy"
    text = "The number of headers in RemoveHeadersConfig in the response headers policy exceeds the maximum."


class EntityNotFound(_Fixed):
    code, status = "EntityNotFound", 404
    text = "The entity was not found."


class EntityAlreadyExists(_Fixed):
    code, status = "EntityAlreadyExists", 409
    text = "The entity already exists. You must provide a unique entity."


class EntityLimitExceeded(_Fixed):
    code = "EntityLimitExceeded"
    text = "The entity limit has been exceeded."


class EntitySizeLimitExceeded(_Fixed):
    code, status = "EntitySizeLimitExceeded", 413
    text = "The entity size limit was exceeded."


class CannotDeleteEntityWhileInUse(_Fixed):
    code, status = "CannotDeleteEntityWhileInUse", 409
    text = "The entity cannot be deleted while it is in use."


class CannotUpdateEntityWhileInUse(_Fixed):
    code, status = "CannotUpdateEntityWhileInUse", 409
    text = "The entity cannot be updated while it is in use."


class AccessDenied(AwsError):
    code, status = "AccessDenied", 403


class InconsistentQuantities(_Fixed):
    code = "InconsistentQuantities"
    text = "The value of Quantity and the size of Items don't match."


class InvalidArgument(AwsError):
    code = "InvalidArgument"


class NoSuchMonitoringSubscription(_Fixed):
    code, status = "NoSuchMonitoringSubscription", 404
    text = "A monitoring subscription does not exist for the specified distribution."


class MonitoringSubscriptionAlreadyExists(_Fixed):
    code, status = "MonitoringSubscriptionAlreadyExists", 409
    text = "A monitoring subscription already exists for the specified distribution."


class NoSuchContinuousDeploymentPolicy(_Fixed):
    code = "NoSuchContinuousDeploymentPolicy"
    status = 404
    text = "The specified continuous deployment policy does not exist."


class ContinuousDeploymentPolicyInUse(_Fixed):
    code = "ContinuousDeploymentPolicyInUse"
    status = 409
    text = "The specified continuous deployment policy is currently associated with a distribution."


class StagingDistributionInUse(_Fixed):
    code = "StagingDistributionInUse"
    status = 409
    text = "A continuous deployment policy for this staging distribution already exists."


class TooManyContinuousDeploymentPolicies(_Fixed):
    code = "TooManyContinuousDeploymentPolicies"
    text = "You have reached the maximum number of continuous deployment policies for this AWS account."


class NoSuchRealtimeLogConfig(_Fixed):
    code, status = "NoSuchRealtimeLogConfig", 404
    text = "The real-time log configuration does not exist."


class RealtimeLogConfigAlreadyExists(_Fixed):
    code, status = "RealtimeLogConfigAlreadyExists", 409
    text = "A real-time log configuration with this name already exists. You must provide a unique name."


class RealtimeLogConfigInUse(_Fixed):
    code = "RealtimeLogConfigInUse"
    text = "Cannot delete the real-time log configuration because it is attached to one or more cache behaviors."


class RealtimeLogConfigOwnerMismatch(_Fixed):
    code, status = "RealtimeLogConfigOwnerMismatch", 401
    text = "The specified real-time log configuration belongs to a different Amazon Web Services account."


class TooManyRealtimeLogConfigs(_Fixed):
    code = "TooManyRealtimeLogConfigs"
    text = "You have reached the maximum number of real-time log configurations for this Amazon Web Services account."


class InvalidOrigin(AwsError):
    code = "InvalidOrigin"


class InvalidTTLOrder(_Fixed):
    code = "InvalidTTLOrder"
    text = "The order of the values of MinTTL, DefaultTTL and MaxTTL is not valid."


class InvalidErrorCode(_Fixed):
    code = "InvalidErrorCode"
    text = "An invalid error code was specified."


class InvalidResponseCode(_Fixed):
    code = "InvalidResponseCode"
    text = "A response code is not valid."


class InvalidFunctionAssociation(AwsError):
    code = "InvalidFunctionAssociation"


class InvalidLambdaFunctionAssociation(AwsError):
    code = "InvalidLambdaFunctionAssociation"


class TestFunctionFailed(AwsError):
    code, status = "TestFunctionFailed", 500


class TooManyDistributions(_Fixed):
    code = "TooManyDistributions"
    text = "Processing your request would cause you to exceed the maximum number of distributions allowed."


class TooManyDistributionCNAMEs(_Fixed):
    code = "TooManyDistributionCNAMEs"
    text = "Your request contains more CNAMEs than are allowed per distribution."


class TooManyCacheBehaviors(_Fixed):
    code = "TooManyCacheBehaviors"
    text = "You cannot create more cache behaviors for the distribution."


class TooManyOrigins(_Fixed):
    code = "TooManyOrigins"
    text = "You cannot create more origins for the distribution."


class NotHere(WireError):
    """AWS can do it and Kunren cannot: 501, saying what is missing and what to do instead."""

    def __init__(self, text: str) -> None:
        super().__init__("NotImplemented", text, 501)
