"""The CodeDeploy agent, as it runs inside an instance: asks for commands, carries them out, says what came of them.

A program of its own: Python's library and, beside it, PyYAML. Who it is and its credentials come from the instance's
metadata. Folders, files and logs are where AWS's agent has them ("Working with the CodeDeploy agent", "AppSpec file
structure", "View log data for EC2/On-Premises deployments").
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import json
import logging
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from .installing import Commands, Fails

METADATA = "http://169.254.169.254"
TARGET = "CodeDeployCommandService_v20141006"
WAITS_S = 90
RETRY_S = 10
log = logging.getLogger("codedeploy-agent")


class Metadata:
    """Instance metadata by session tokens, and the credentials of the instance's role until they are about to end."""

    def __init__(self) -> None:
        self._keys: dict[str, str] | None = None
        self._until = 0.0

    def get(self, path: str) -> str:
        asked = urllib.request.Request(
            f"{METADATA}/latest/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        )
        token = urllib.request.urlopen(asked, timeout=5).read().decode()
        asked = urllib.request.Request(f"{METADATA}/latest/{path}", headers={"X-aws-ec2-metadata-token": token})
        return str(urllib.request.urlopen(asked, timeout=5).read().decode())

    def keys(self) -> dict[str, str]:
        if self._keys is None or time.time() > self._until:
            try:
                role = self.get("meta-data/iam/security-credentials/").split()[0]
                self._keys = json.loads(self.get(f"meta-data/iam/security-credentials/{role}"))
            except (OSError, IndexError) as error:
                raise OSError("the instance has no credentials: it needs an instance profile") from error
            self._until = time.time() + 300
        return self._keys


def signed(
    keys: dict[str, str], region: str, service: str, method: str, url: str, body: bytes, headers: dict[str, str]
) -> urllib.request.Request:
    """A request with Signature Version 4."""
    parts = urllib.parse.urlsplit(url)
    now = datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017
    digest = hashlib.sha256(body).hexdigest()
    sent = {
        **headers, "Host": parts.netloc, "X-Amz-Date": now.strftime("%Y%m%dT%H%M%SZ"), "X-Amz-Content-Sha256": digest,
        "X-Amz-Security-Token": keys["Token"],
    }  # fmt: skip
    names = sorted(name.lower() for name in sent)
    values = {name.lower(): value for name, value in sent.items()}
    canonical = "\n".join([
        method, parts.path or "/", parts.query, *(f"{name}:{values[name]}" for name in names), "", ";".join(names),
        digest,
    ])  # fmt: skip
    scope = f"{now:%Y%m%d}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", sent["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys['SecretAccessKey']}".encode()
    for each in scope.split("/"):
        key = hmac.new(key, each.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    sent["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys['AccessKeyId']}/{scope}, SignedHeaders={';'.join(names)}, "
        f"Signature={signature}"
    )
    return urllib.request.Request(url, method=method, data=body if method == "POST" else None, headers=sent)


class Endpoint:
    """A host over one connection that stays open: an event takes four calls, and a handshake longer than each."""

    def __init__(self, host: str) -> None:
        self._connection = http.client.HTTPSConnection(host, timeout=WAITS_S, context=ssl.create_default_context())

    def ask(self, asked: urllib.request.Request) -> bytes:
        """The answer's body; asked again where the host had closed the connection. Raises OSError."""
        for last in (False, True):
            try:
                self._connection.request(asked.get_method(), asked.selector, asked.data, dict(asked.header_items()))
                answer = self._connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
                if last:
                    raise
                continue
            if answer.status >= 400:
                raise OSError(f"{answer.status} {body[:500].decode('utf-8', 'replace')}")
            return body
        raise AssertionError("the loop has returned or raised")


class Agent:
    def __init__(self) -> None:
        self.metadata = Metadata()
        who = json.loads(self.metadata.get("dynamic/instance-identity/document"))
        self.region = who["region"]
        self.host = f"arn:aws:ec2:{who['region']}:{who['accountId']}:instance/{who['instanceId']}"
        self.commands = Commands(self.bundle)
        self.endpoint = Endpoint(f"codedeploy-commands.{self.region}.amazonaws.com")

    def call(self, operation: str, **params: Any) -> Any:
        url = f"https://codedeploy-commands.{self.region}.amazonaws.com/"
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{TARGET}.{operation}"}
        body = json.dumps(params).encode()
        asked = signed(self.metadata.keys(), self.region, "codedeploy-commands", "POST", url, body, headers)
        return json.loads(self.endpoint.ask(asked) or b"{}")

    def bundle(self, place: dict[str, str]) -> bytes:
        """A revision's archive, from Amazon S3. Raises Fails."""
        key = urllib.parse.quote(place["Key"], safe="/~")
        query = f"versionId={urllib.parse.quote(place['Version'], safe='')}" if place.get("Version") else ""
        url = f"https://s3.{self.region}.amazonaws.com/{place['Bucket']}/{key}{'?' if query else ''}{query}"
        try:
            asked = signed(self.metadata.keys(), self.region, "s3", "GET", url, b"", {})
            with urllib.request.urlopen(asked, timeout=WAITS_S) as answer:
                found, tag = answer.read(), answer.headers.get("ETag", "").strip('"')
        except urllib.error.HTTPError as error:
            told = error.read().decode("utf-8", "replace")
            raise Fails(f"The revision could not be downloaded: {error.code} {told[:500]}") from error
        if place.get("ETag") and tag != place["ETag"]:
            raise Fails(f"Expected deployment etag {place['ETag']} but got {tag} for the revision {place['Key']}.")
        return bytes(found)

    def work(self) -> None:
        """One command, if there is one."""
        command = self.call("PollHostCommand", HostIdentifier=self.host).get("HostCommand")
        if not command:
            time.sleep(0.2)
            return
        id, name = command["HostCommandIdentifier"], command["CommandName"]
        told = self.call("PutHostCommandAcknowledgement", HostCommandIdentifier=id, HostIdentifier=self.host)
        if told.get("CommandStatus") in ("Succeeded", "Failed"):
            return
        specification = self.call(
            "GetDeploymentSpecification", DeploymentExecutionId=command["DeploymentExecutionId"],
            HostIdentifier=self.host,
        )["DeploymentSpecification"]  # fmt: skip
        log.info("%s of %s", name, command["DeploymentExecutionId"])
        outcome = self.commands.run(name, json.loads(specification["GenericEnvelope"]["Payload"]))
        log.info("%s: %s", name, outcome["message"])
        self.call(
            "PutHostCommandComplete", HostCommandIdentifier=id, HostIdentifier=self.host,
            CommandStatus="Failed" if outcome["error_code"] else "Succeeded",
            Diagnostics={"Format": "JSON", "Payload": json.dumps(outcome)},
        )  # fmt: skip


def main() -> None:
    folder = Path("/var/log/aws/codedeploy-agent")
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=folder / "codedeploy-agent.log", level=logging.INFO,
        format="%(asctime)s %(levelname)-5s [codedeploy-agent(%(process)d)]: %(message)s",
    )  # fmt: skip
    log.info("the CodeDeploy agent starts")
    agent = None
    while True:
        try:
            agent = agent or Agent()
            agent.work()
        except Exception as error:  # whatever one answer was, the next command has to be asked for
            log.error("%s: %s", type(error).__name__, error)
            time.sleep(RETRY_S)


if __name__ == "__main__":
    os.chdir("/opt/codedeploy-agent")
    main()
