"""The ECS agent: a program of its own inside an instance, run by the Python that is there, with its standard library.

It reads /etc/ecs/ecs.config, registers the instance with the cluster through ECS's API, with the credentials of the
instance's role, and asks for messages as long as it runs; so its connection is what ECS knows of the instance's health.
With ECS_ENABLE_SPOT_INSTANCE_DRAINING it has the instance drained once its metadata tell of an interruption. What it is
called by is kept in /var/lib/ecs/data, so that it is the same container instance after a reboot.

Usage: ecs_agent.py CPU_UNITS MEMORY_MIB. It goes into the background, writes /var/log/ecs/ecs-agent.log, starts again
five seconds after an unexpected end, and answers at 127.0.0.1:51678 who it is. Nothing of Kunren is imported here.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import http.server
import json
import os
import re
import ssl
import sys
import threading
import time
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

VERSION = "1.107.0"
CONFIG, STATE, LOG = "/etc/ecs/ecs.config", "/var/lib/ecs/data/agent.json", "/var/log/ecs/ecs-agent.log"
RESTART_S, AGAIN_S, SPOT_EVERY_S = 5.0, 1.0, 1.0
TERMINAL = 5
_KEPT_S = 300.0
_RESERVED = ["22", "2375", "2376", "51678", "51679"]
_BLOCKS = "ecs.capability.task-eni-block-instance-metadata"
_CAPABILITIES = (
    "com.amazonaws.ecs.capability.docker-remote-api.1.18",
    "com.amazonaws.ecs.capability.docker-remote-api.1.24",
    "com.amazonaws.ecs.capability.logging-driver.awslogs",
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.task-iam-role-network-host",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.secrets.asm.environment-variables",
    "ecs.capability.secrets.ssm.environment-variables",
    "ecs.capability.task-eni",
)


class Failed(Exception):
    """ECS, or the instance's metadata, refused; `code` is the error's."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


def say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", flush=True)


def read_config() -> dict[str, str]:
    found = {}
    try:
        with open(CONFIG) as file:
            for line in file:
                name, equals, value = line.strip().removeprefix("export ").partition("=")
                if equals and not name.startswith("#"):
                    found[name.strip()] = value.strip().strip("'\"")
    except FileNotFoundError:
        pass
    return found


def stop_timeout_ms(told: str) -> int:
    """How long containers may take to end, from a duration as Go writes it ("1m30s"); 0 where none of a second or more
    is told."""
    units = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
    if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", told, re.ASCII):
        return 0
    found = int(sum(float(size) * units[unit] for size, _, unit in re.findall(r"(\d+(\.\d+)?)(ms|s|m|h)", told)))
    return found if found >= 1000 else 0


def metadata(path: str) -> str | None:
    """From the instance metadata service; None where it has no such thing."""
    connection = http.client.HTTPConnection("169.254.169.254", timeout=5)
    try:
        connection.request("PUT", "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        token = connection.getresponse().read().decode()
        connection.request("GET", f"/latest/{path}", headers={"X-aws-ec2-metadata-token": token})
        answer = connection.getresponse()
        text = answer.read().decode()
        return text if answer.status == 200 else None
    finally:
        connection.close()


class Ecs:
    """ECS's API in a region, and the endpoint at which messages wait, by requests that the role's credentials sign."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._connections: dict[str, http.client.HTTPSConnection] = {}
        self._trust = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
        self._keys: dict[str, str] = {}
        self._keys_until = 0.0

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Raises Failed, OSError."""
        body = json.dumps(parameters).encode()
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"AmazonEC2ContainerServiceV20141113.{operation}",
        }
        return self._ask("POST", f"ecs.{self._region}.amazonaws.com", "/", "", headers, body, 30)

    def poll(self, endpoint: str, query: dict[str, str]) -> dict[str, Any]:
        """Wait there for messages, as long as that answers. Raises Failed, OSError."""
        host = urlsplit(endpoint).hostname or ""
        return self._ask("GET", host, "/ws", urlencode(sorted(query.items()), quote_via=quote), {}, b"", 20)

    def _ask(
        self, method: str, host: str, path: str, query: str, headers: dict[str, str], body: bytes, timeout_s: float
    ) -> dict[str, Any]:
        headers = self._signed(method, host, path, query, headers, body)
        connection = self._connections.pop(host, None)
        if connection is None:
            connection = http.client.HTTPSConnection(host, timeout=timeout_s, context=self._trust)
        try:
            connection.request(method, f"{path}?{query}" if query else path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise OSError(f"{host}: {error}") from error
        self._connections[host] = connection
        try:
            found: dict[str, Any] = json.loads(content or b"{}")
        except ValueError:
            found = {}
        if answer.status != 200:
            code = str(found.get("__type") or answer.status).rpartition("#")[2]
            if code in ("ExpiredTokenException", "UnrecognizedClientException"):
                self._keys_until = 0.0
            raise Failed(code, str(found.get("message") or found.get("Message") or ""))
        return found

    def _credentials(self) -> dict[str, str]:
        if time.monotonic() > self._keys_until:
            role = (metadata("meta-data/iam/security-credentials/") or "").strip()
            told = metadata(f"meta-data/iam/security-credentials/{role}") if role else None
            keys = json.loads(told) if told else {}
            if "AccessKeyId" not in keys:
                raise Failed("NoCredentialProviders", "the instance has no role that lets it")
            self._keys, self._keys_until = keys, time.monotonic() + _KEPT_S
        return self._keys

    def _signed(
        self, method: str, host: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> dict[str, str]:
        """With a signature of version 4."""
        keys, now = self._credentials(), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {**headers, "host": host, "x-amz-date": now, "x-amz-security-token": keys["Token"]}
        names = ";".join(sorted(headers))
        listed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        canonical = "\n".join((method, path, query, listed, names, hashlib.sha256(body).hexdigest()))
        scope = f"{now[:8]}/{self._region}/ecs/aws4_request"
        key = f"AWS4{keys['SecretAccessKey']}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"{keys['AccessKeyId']}/{scope}"
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        )
        return headers


class Agent:
    def __init__(self, cpu: int, memory_mb: int) -> None:
        self._cpu, self._memory = cpu, memory_mb
        self._config = read_config()
        self._cluster = self._config.get("ECS_CLUSTER") or "default"
        self._stop_timeout_ms = stop_timeout_ms(self._config.get("ECS_CONTAINER_STOP_TIMEOUT", ""))
        self._document = json.loads(metadata("dynamic/instance-identity/document") or "{}")
        self._ecs = Ecs(self._document["region"])
        self._arn = ""
        self._tasks: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        """Until the instance is deregistered, and then anew."""
        threading.Thread(target=self._introspect, daemon=True).start()
        if self._config.get("ECS_ENABLE_SPOT_INSTANCE_DRAINING", "").lower() == "true":
            threading.Thread(target=self._watch_spot, daemon=True).start()
        while True:
            self._register()
            self._listen()

    # -- registering -------------------------------------------------------------------------------------------------

    def _register(self) -> None:
        before = self._before()
        while True:
            try:
                asked = self._registration()
                if before:
                    asked["containerInstanceArn"] = before
                found = self._ecs.call("RegisterContainerInstance", asked)["containerInstance"]
                break
            except Failed as error:
                if error.code == "ClusterNotFoundException" and self._cluster == "default":
                    self._ecs.call("CreateCluster", {"clusterName": "default"})
                    continue
                if before and error.code == "ClientException":
                    before = ""
                    continue
                say(f"registration failed: {error}")
            except OSError as error:
                say(f"registration failed: {error}")
            time.sleep(AGAIN_S)
        self._arn = found["containerInstanceArn"]
        os.makedirs(os.path.dirname(STATE), exist_ok=True)
        with open(STATE, "w") as file:
            json.dump({"arn": self._arn, "cluster": self._cluster, "instance": self._document["instanceId"]}, file)
        say(f"registered as {self._arn}")

    def _before(self) -> str:
        """The ARN that this instance had in this cluster; a copy of its disk elsewhere is another instance."""
        try:
            with open(STATE) as file:
                state = json.load(file)
        except (OSError, ValueError):
            return ""
        if state["instance"] != self._document["instanceId"]:
            return ""
        if state["cluster"] != self._cluster:
            say(f"data mismatch; saved cluster {state['cluster']!r} does not match configured {self._cluster!r}")
            sys.exit(TERMINAL)
        return str(state["arn"])

    def _registration(self) -> dict[str, Any]:
        own = json.loads(self._config.get("ECS_INSTANCE_ATTRIBUTES") or "{}")
        tags = json.loads(self._config.get("ECS_CONTAINER_INSTANCE_TAGS") or "{}")
        reserved = json.loads(self._config.get("ECS_RESERVED_PORTS") or "null") or _RESERVED
        memory = self._memory - int(self._config.get("ECS_RESERVED_MEMORY") or 0)
        asked: dict[str, Any] = {
            "cluster": self._cluster,
            "instanceIdentityDocument": json.dumps(self._document),
            "totalResources": [
                {"name": "CPU", "type": "INTEGER", "integerValue": self._cpu},
                {"name": "MEMORY", "type": "INTEGER", "integerValue": memory},
                {"name": "PORTS", "type": "STRINGSET", "stringSetValue": [str(each) for each in reserved]},
                {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
            ],
            "versionInfo": {"agentVersion": VERSION, "agentHash": "kunren", "dockerVersion": "DockerVersion: 25.0.16"},
            "attributes": [
                *({"name": each} for each in _CAPABILITIES),
                *([{"name": _BLOCKS}] if self._config.get("ECS_AWSVPC_BLOCK_IMDS", "").lower() == "true" else []),
                *({"name": name, "value": str(value)} for name, value in own.items()),
            ],
        }
        if tags:
            asked["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
        return asked

    # -- messages ----------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Ask for messages until ECS does not know the instance any more. A message is acknowledged by asking on."""
        endpoint, seen = "", 0
        while True:
            try:
                if not endpoint:
                    asked = {"cluster": self._cluster, "containerInstance": self._arn}
                    endpoint = self._ecs.call("DiscoverPollEndpoint", asked)["endpoint"]
                query = {
                    "clusterArn": self._cluster,
                    "containerInstanceArn": self._arn,
                    "seqNum": str(seen),
                    "stopTimeout": str(self._stop_timeout_ms),
                }
                answer = self._ecs.poll(endpoint, query)
            except Failed as error:
                say(f"polling: {error}")
                if error.code in ("InactiveInstanceException", "ClientException"):
                    return
                endpoint = ""
                time.sleep(AGAIN_S)
                continue
            except OSError as error:
                say(f"polling: {error}")
                endpoint = ""
                time.sleep(AGAIN_S)
                continue
            seen = answer["seqNum"]
            for message in answer["messages"]:
                self._heed(message)

    def _heed(self, message: dict[str, Any]) -> None:
        for task in message.get("tasks") or ():
            say(f"task {task['arn']}: {task['desiredStatus']}")
            if task["desiredStatus"] == "STOPPED":
                self._tasks.pop(task["arn"], None)
            else:
                self._tasks[task["arn"]] = task

    def _watch_spot(self) -> None:
        """Have the instance drained once its interruption is told."""
        while True:
            time.sleep(SPOT_EVERY_S)
            try:
                notice = metadata("meta-data/spot/instance-action") if self._arn else None
                if notice is None:
                    continue
                say(f"received a Spot interruption notice: {notice.strip()}")
                self._ecs.call(
                    "UpdateContainerInstancesState",
                    {"cluster": self._cluster, "containerInstances": [self._arn], "status": "DRAINING"},
                )
                return
            except (OSError, Failed) as error:
                say(f"draining: {error}")

    # -- introspection -----------------------------------------------------------------------------------------------

    def introspected(self, path: str) -> dict[str, Any]:
        if path == "/v1/metadata":
            version = f"Amazon ECS Agent - v{VERSION}"
            return {"Cluster": self._cluster, "ContainerInstanceArn": self._arn or None, "Version": version}
        if path == "/v1/tasks":
            named = (("DesiredStatus", "desiredStatus"), ("Family", "family"), ("Version", "version"))
            tasks = self._tasks.items()
            return {"Tasks": [{"Arn": arn, **{key: each.get(of) for key, of in named}} for arn, each in tasks]}
        return {"AvailableCommands": ["/v1/metadata", "/v1/tasks"]}

    def _introspect(self) -> None:
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(agent.introspected(self.path.rstrip("/"))).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        http.server.HTTPServer(("127.0.0.1", 51678), Handler).serve_forever()


def main() -> None:
    cpu, memory = int(sys.argv[1]), int(sys.argv[2])
    if os.fork():
        os._exit(0)
    os.setsid()
    os.makedirs(os.path.dirname(LOG), exist_ok=True)
    log = os.open(LOG, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    while True:
        child = os.fork()
        if child == 0:
            Agent(cpu, memory).run()
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        say(f"the agent ended with {code}")
        if code == TERMINAL:
            sys.exit(TERMINAL)
        time.sleep(RESTART_S)


if __name__ == "__main__":
    main()
