"""Which whole services moto answers for, and why. One service has one owner: none of these is ours yet, but
some operations of ssm.

The rule: a service stands here when nothing of it carries packets in AWS either (a policy, a parameter, a metric),
or when it is to become ours and programs need its API meanwhile (marked "for now"). A service that would carry traffic
and is not ours yet (RDS, ECS, MSK, ...) does not stand here: it answers 501 rather than pretend.
"""

from __future__ import annotations

from typing import NamedTuple


class Owner(NamedTuple):
    """`package` is moto's name for the service."""

    package: str
    why: str


SERVICES: dict[str, Owner] = {
    "account": Owner("account", "contact details of the account"),
    "budgets": Owner("budgets", "budgets are numbers"),
    "ce": Owner("ce", "cost reports"),
    "cloudtrail": Owner("cloudtrail", "trail settings; no trail is written"),
    "config": Owner("config", "recorder and rule settings"),
    "dynamodb": Owner("dynamodb", "for now, until it is ours"),
    "dynamodbstreams": Owner("dynamodbstreams", "for now, with dynamodb"),
    "iam": Owner("iam", "users, roles and policies"),
    "identitystore": Owner("identitystore", "users and groups"),
    "kinesis": Owner("kinesis", "data streams that programs put records in and read, for now"),
    "kms": Owner("kms", "keys, encryption and signatures"),
    "logs": Owner("logs", "log groups that programs write and read"),
    "organizations": Owner("organizations", "accounts and policies"),
    "ram": Owner("ram", "resource shares"),
    "resource-groups": Owner("resourcegroups", "groups of resources"),
    "resourcegroupstaggingapi": Owner("resourcegroupstaggingapi", "tags of the services in this list"),
    "s3control": Owner("s3control", "access points and such, for now"),
    "secretsmanager": Owner("secretsmanager", "secrets"),
    "service-quotas": Owner("servicequotas", "quotas"),
    "sns": Owner("sns", "for now, until it is ours; delivers to sqs"),
    "sqs": Owner("sqs", "for now, until it is ours"),
    "ssm": Owner("ssm", "parameters, documents and patch baselines"),
    "sso-admin": Owner("ssoadmin", "permission sets"),
    "sts": Owner("sts", "identities and temporary credentials"),
    "support": Owner("support", "support cases"),
    "xray": Owner("xray", "trace segments"),
}
