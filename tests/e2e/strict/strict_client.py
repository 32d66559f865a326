"""The daemon in strict mode, clients of its accounts' users and sessions, and what they ask and are told."""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT, OTHER = "111122223333", "444455556666"
CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, signature_version="v4")
AWS = str(Path(sys.executable).with_name("aws"))


class Strict:
    """The daemon, and clients of its accounts, users and sessions."""

    def __init__(self, kunren):
        self.kunren = kunren
        self._users = 0
        self._keys = {}

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.kunren.port}"

    def root_keys(self, account=ACCOUNT):
        if account not in self._keys:
            self._keys[account] = self.printed_keys(account)
        return self._keys[account]

    def printed_keys(self, account):
        lines = self.kunren.run("env", "--account", account, check=True).stdout.splitlines()
        found = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        return found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]

    def client(self, service, keys=None, account=ACCOUNT, region="us-east-1"):
        key, secret, *token = keys or self.root_keys(account)
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region, aws_access_key_id=key, config=CONFIG,
                            aws_secret_access_key=secret, aws_session_token=token[0] if token else None)  # fmt: skip

    def user(self, *statements, account=ACCOUNT):
        """A new user with one inline policy; its name and keys."""
        self._users += 1
        name = f"user-{self._users}"
        iam = self.client("iam", account=account)
        iam.create_user(UserName=name)
        if statements:
            self.allow(name, *statements, account=account)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return name, (made["AccessKeyId"], made["SecretAccessKey"])

    def allow(self, name, *statements, account=ACCOUNT):
        iam = self.client("iam", account=account)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))

    def environment(self, keys):
        return {
            "PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": self.endpoint, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1], "HOME": "/nonexistent",
            **({"AWS_SESSION_TOKEN": keys[2]} if len(keys) > 2 else {}),
        }  # fmt: skip


def statement(action, resource="*", effect="Allow", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def trust(principal, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}]})  # fmt: skip


def refused(call, **given):
    """Code, text and status of the error that a call ends in."""
    with pytest.raises(ClientError) as error:
        call(**given)
    told = error.value.response
    return told["Error"]["Code"], told["Error"]["Message"], told["ResponseMetadata"]["HTTPStatusCode"]


def session(answer):
    given = answer["Credentials"]
    return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]


def asked(url, method="GET", headers=None, body=None):
    """Status and body."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
