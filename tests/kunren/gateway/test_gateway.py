"""A live gateway with small services of the four common protocols, called by boto3 over HTTP and HTTPS."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from kunren.control.store import NotDurable, Resource, Store
from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError, NotImplementedByKunren, WireError
from kunren.gateway.certificates import CertificateContexts
from kunren.gateway.gateway import Gateway
from kunren.gateway.http import HttpRequest, HttpResponse
from kunren.settings import Settings


class Queue(Resource):
    kind = "test.queue"
    name: str


class QueueDoesNotExist(AwsError):
    code = "QueueDoesNotExist"


class Sqs:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.contexts: list[RequestContext] = []
        store.register(Queue)

    def create_queue(self, context: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        self.contexts.append(context)
        with self._store.write() as tx:
            tx.put(
                Queue(account=context.account, region=context.region, id=params["QueueName"], name=params["QueueName"])
            )
        return {"QueueUrl": f"http://{context.host}/{context.account}/{params['QueueName']}"}

    def get_queue_url(self, context: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if self._store.snapshot().get(Queue, context.account, context.region, params["QueueName"]) is None:
            raise QueueDoesNotExist("The specified queue does not exist.")
        return {"QueueUrl": "http://q"}

    async def receive_message(self, context: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"Messages": [{"Body": "late", "MessageId": "1"}]}

    def list_queues(self, context: RequestContext, params: dict[str, Any]) -> None:
        raise ZeroDivisionError("a mistake of ours")

    def delete_queue(self, context: RequestContext, params: dict[str, Any]) -> None:
        return None


class Ec2:
    def describe_vpcs(self, context: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        wanted = params.get("VpcIds", ["vpc-1"])
        return {"Vpcs": [{"VpcId": each, "IsDefault": True, "Tags": [{"Key": "a", "Value": "<&>"}]} for each in wanted]}


class Route53:
    def get_change(self, context: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"ChangeInfo": {"Id": params["Id"], "Status": "INSYNC", "SubmittedAt": 1_750_000_000.5}}


class Elbv2:
    def describe_load_balancers(self, context: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if "Names" in params:
            raise WireError("LoadBalancerNotFound", f"Load balancers '{params['Names']}' not found")
        return {"LoadBalancers": []}


class Fallback:
    services = frozenset({"s3", "sts"})

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, HttpRequest]] = []

    async def handle(self, service: str, operation: str, request: HttpRequest) -> HttpResponse:
        self.seen.append((service, operation, request))
        if operation == "GetObject":

            async def pieces() -> Any:
                yield b"one "
                yield b"two"

            return HttpResponse(200, [("Content-Type", "text/plain"), ("ETag", '"x"')], pieces())
        body = (
            b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"
            if service == "sts"
            else b""
        )
        return HttpResponse(200, [("Content-Type", "application/xml")], body)


class Live:
    """A gateway in a thread of its own, so that boto3 can block in the test's."""

    def __init__(self, folder: Path) -> None:
        self.authority = CertificateAuthority.open(folder / "ca", SystemClock())
        self.ca_file = self.authority.ca_path
        self.certificates_for: list[tuple[str, ...]] = []
        self.fallback = Fallback()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.do(lambda: self._start(folder))

    async def _start(self, folder: Path) -> None:
        self.store = Store(folder / "state.db")
        self.sqs = Sqs(self.store)
        services = {"sqs": self.sqs, "ec2": Ec2(), "route53": Route53(), "elbv2": Elbv2()}
        certificates = CertificateContexts(self._certificate)
        self.gateway = Gateway(
            Settings(state_dir=folder, port=0),
            self.store,
            SystemClock(),
            Entropy(7),
            services,
            self.fallback,
            certificates,
        )
        await self.gateway.serve_host()

    def _certificate(self, *names: str) -> ssl.SSLContext:
        self.certificates_for.append(names)
        return self.authority.server_context(*names)

    def do(self, work: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(20)

    def close(self) -> None:
        self.do(self.gateway.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self.store.close()

    def client(self, service: str, scheme: str = "http", key: str = "test", **more: Any) -> Any:
        return boto3.client(
            service, endpoint_url=f"{scheme}://localhost:{self.gateway.port}", region_name=more.pop("region", "us-east-1"),
            aws_access_key_id=key, aws_secret_access_key="secret", verify=str(self.ca_file),
            config=Config(retries={"total_max_attempts": 1}, **more),
        )  # fmt: skip

    def raw(self, data: bytes, until: bytes | None = None) -> bytes:
        """Send bytes as they are, read until the peer closes (or `until` is seen)."""
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10) as connection:
            connection.sendall(data)
            got = b""
            while (until is None or until not in got) and (piece := connection.recv(65536)):
                got += piece
            return got


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    running = Live(tmp_path_factory.mktemp("gateway"))
    yield running
    running.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_each_protocol_is_answered_over_http_and_https_on_one_port(live: Live, scheme: str) -> None:
    assert live.client("sqs", scheme).create_queue(QueueName="one")["QueueUrl"].endswith("/000000000000/one")
    vpc = live.client("ec2", scheme).describe_vpcs(VpcIds=["vpc-9"])["Vpcs"][0]
    assert (vpc["VpcId"], vpc["IsDefault"], vpc["Tags"]) == ("vpc-9", True, [{"Key": "a", "Value": "<&>"}])
    assert "CidrBlock" not in vpc
    change = live.client("route53", scheme).get_change(Id="C1")["ChangeInfo"]
    assert change["SubmittedAt"] == datetime.datetime(2025, 6, 15, 15, 6, 40, 500_000, datetime.UTC)
    assert live.client("elbv2", scheme).describe_load_balancers()["LoadBalancers"] == []


def test_account_and_region_come_from_key_and_scope(live: Live) -> None:
    live.client("sqs", key="123456789012", region="eu-west-1").create_queue(QueueName="two")
    context = live.sqs.contexts[-1]
    assert (context.account, context.region, context.access_key) == ("123456789012", "eu-west-1", "123456789012")
    with pytest.raises(ClientError) as caught:
        live.client("sqs").get_queue_url(QueueName="two")
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_errors_arrive_as_the_modelled_exceptions(live: Live) -> None:
    sqs = live.client("sqs")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.get_queue_url(QueueName="none")
    assert caught.value.response["Error"]["Message"] == "The specified queue does not exist."
    assert caught.value.response["Error"]["Type"] == "Sender"
    elbv2 = live.client("elbv2")
    with pytest.raises(elbv2.exceptions.LoadBalancerNotFoundException) as other:
        elbv2.describe_load_balancers(Names=["x"])
    assert other.value.response["Error"]["Code"] == "LoadBalancerNotFound"


def test_a_handler_that_waits_is_awaited(live: Live) -> None:
    assert live.client("sqs").receive_message(QueueUrl="http://q")["Messages"][0]["Body"] == "late"


def test_a_result_of_none_is_an_empty_answer(live: Live) -> None:
    assert set(live.client("sqs").delete_queue(QueueUrl="http://q")) == {"ResponseMetadata"}


def test_a_mistake_of_ours_is_an_internal_failure_without_a_traceback(live: Live) -> None:
    with pytest.raises(ClientError) as caught:
        live.client("sqs").list_queues()
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert error["Error"]["Code"] == "InternalFailure"
    assert "ZeroDivision" not in str(error)
    assert error["ResponseMetadata"]["RequestId"] in error["Error"]["Message"]


def test_an_operation_nobody_has_answers_501_and_is_counted(live: Live) -> None:
    for service, call, name in (
        ("ec2", "describe_fleets", "DescribeFleets"),
        ("acm", "list_certificates", "ListCertificates"),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(live.client(service), call)()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
        assert f"{service}:{name}" in caught.value.response["Error"]["Message"]
        assert {"service": service, "operation": name, "owner": "nobody", "count": 1} in live.gateway.calls()


def test_the_fallback_gets_the_raw_request_of_its_services(live: Live) -> None:
    live.client("sts").get_caller_identity()
    service, operation, request = live.fallback.seen[-1]
    assert (service, operation) == ("sts", "GetCallerIdentity")
    assert request.body.startswith(b"Action=GetCallerIdentity")


def test_s3_is_recognised_in_path_style_virtual_host_style_and_presigned(live: Live) -> None:
    s3 = live.client("s3", s3={"addressing_style": "path"})
    s3.put_object(Bucket="bucket", Key="a/b c", Body=b"hello")
    assert live.fallback.seen[-1][1] == "PutObject"
    assert live.fallback.seen[-1][2].body == b"hello"
    assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == b"one two"
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"})
    target = url.partition(f":{live.gateway.port}")[2]
    got = live.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert got.endswith(b"\r\n\r\none two")
    live.raw(b"GET /?versioning HTTP/1.1\r\nHost: bucket.s3.eu-west-1.amazonaws.com\r\nConnection: close\r\n\r\n")
    assert live.fallback.seen[-1][:2] == ("s3", "GetBucketVersioning")


def test_a_signed_chunked_upload_with_trailers_arrives_plain(live: Live) -> None:
    s3 = live.client("s3", "https", s3={"addressing_style": "path"}, request_checksum_calculation="when_supported")
    s3.put_object(Bucket="bucket", Key="k", Body=b"x" * 100_000, ChecksumAlgorithm="CRC32")
    request = live.fallback.seen[-1][2]
    assert request.body == b"x" * 100_000
    assert "x-amz-checksum-crc32" in request.headers
    assert request.headers["content-length"] == "100000"
    assert "aws-chunked" not in request.headers.get("content-encoding", "")


def test_a_gzip_body_is_inflated_for_every_service_but_s3(live: Live) -> None:
    body = gzip.compress(b'{"QueueName":"squeezed"}')
    for service, more in (("sqs", b"X-Amz-Target: AmazonSQS.CreateQueue\r\n"), ("s3", b"")):
        scope = (
            b"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/%b/aws4_request, SignedHeaders=host, Signature=0"
            % service.encode()
        )
        head = (
            b"POST /bucket?delete HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nConnection: close\r\nAuthorization: "
            + scope
        )
        got = live.raw(head + b"\r\n" + more + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert got.startswith(b"HTTP/1.1 200 "), got
    assert live.sqs.contexts[-1].operation == "CreateQueue"
    assert live.fallback.seen[-1][2].body == body


def test_the_certificate_is_made_for_the_name_that_is_asked_for(live: Live) -> None:
    context = ssl.create_default_context(cafile=str(live.ca_file))
    for name in ("sqs.us-east-1.amazonaws.com", "ec2.us-east-1.amazonaws.com", "localhost"):
        with (
            socket.create_connection(("127.0.0.1", live.gateway.port), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname=name) as channel,
        ):
            assert channel.version() in ("TLSv1.2", "TLSv1.3")
    assert live.certificates_for.count(("us-east-1.amazonaws.com", "*.us-east-1.amazonaws.com")) == 1


def test_pipelined_requests_are_answered_in_order(live: Live) -> None:
    def call(name: str, last: bool = False) -> bytes:
        body = b'{"QueueName":"%s"}' % name.encode()
        scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
        close = "Connection: close\r\n" if last else ""
        head = f"POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: AmazonSQS.CreateQueue\r\nAuthorization: {scope}\r\n{close}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    names = [f"pipelined{i}" for i in range(40)]
    got = live.raw(b"".join(call(name, name == names[-1]) for name in names))
    assert [got.find(name.encode() + b'"') for name in names] == sorted(
        got.find(name.encode() + b'"') for name in names
    )
    assert got.count(b"HTTP/1.1 200 OK") == 40


def test_what_the_disk_refuses_is_not_acknowledged(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(told: Callable[[Exception | None], None]) -> bool:
        asyncio.get_running_loop().call_soon(told, NotDurable("disk full"))
        return True

    monkeypatch.setattr(live.store, "when_durable", refuse)
    with pytest.raises(ClientError) as caught:
        live.client("sqs").create_queue(QueueName="lost")
    assert caught.value.response["Error"]["Code"] == "InternalFailure"
    assert "disk full" in caught.value.response["Error"]["Message"]


def test_a_fault_hook_may_refuse_a_call_before_it_is_dispatched(live: Live) -> None:
    def hook(call: Any) -> None:
        if call.route.operation == "DeleteQueue":
            raise WireError("RequestThrottled", "slow down", 403)

    live.gateway.fault_hook = hook
    try:
        with pytest.raises(ClientError, match="RequestThrottled"):
            live.client("sqs").delete_queue(QueueUrl="http://q")
    finally:
        live.gateway.fault_hook = None


def test_internal_calls_pass_the_same_checks(live: Live) -> None:
    url = live.do(
        lambda: live.gateway.invoke("sqs", "CreateQueue", {"QueueName": "inner"}, "111122223333", "eu-west-1")
    )
    assert url["QueueUrl"].endswith("/111122223333/inner")
    with pytest.raises(WireError) as caught:
        live.do(lambda: live.gateway.invoke("sqs", "CreateQueue", {}))
    assert caught.value.code == "MissingParameter"
    with pytest.raises(NotImplementedByKunren):
        live.do(lambda: live.gateway.invoke("acm", "ListCertificates", {}))
    assert live.gateway.owner("s3") == "moto"
