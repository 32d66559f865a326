"""moto behind the gateway, through boto3: what was acknowledged is there again after `kill -9` of the child."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.fallback.fallback import Fallback
from kunren.fallback.process import Running, spawn_subprocess
from kunren.gateway.gateway import Gateway
from kunren.settings import Settings


class Front:
    """A gateway that has nothing but moto, on a loop of its own."""

    def __init__(self, state_dir: Path, spawn: Callable[..., Coroutine[Any, Any, Running]] = spawn_subprocess) -> None:
        self.settings = Settings(state_dir=state_dir, port=0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._spawn = spawn
        self.call(self._start())

    async def _start(self) -> None:
        clock, entropy = SystemClock(), Entropy(7)
        self.fallback = Fallback(self.settings, clock, entropy, self._spawn)
        self.gateway = Gateway(self.settings, Store(None), clock, entropy, {}, self.fallback, None)
        await self.gateway.serve_host()

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def client(self, service: str, account: str = "test", region: str = "us-east-1") -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=f"http://127.0.0.1:{self.gateway.port}",
            aws_access_key_id=account,
            aws_secret_access_key="secret",
            config=Config(retries={"max_attempts": 0}),
        )

    def kill_child(self) -> None:
        """End moto at once, and wait until the daemon has seen it."""
        pid = self.fallback.child.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        async def seen() -> None:
            async with asyncio.timeout(10):
                while self.fallback.child.running:
                    await asyncio.sleep(0.01)

        self.call(seen())

    @property
    def journal_bytes(self) -> int:
        return (self.settings.data_dir / "moto" / "journal").stat().st_size

    def close(self) -> None:
        self.call(self.fallback.stop())
        self.call(self.gateway.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("state"))
    yield front
    front.close()


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def error_of(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_what_was_acknowledged_has_the_same_ids_times_and_secrets_after_a_kill(front: Front) -> None:
    iam, kms, ssm, sns = (front.client(name) for name in ("iam", "kms", "ssm", "sns"))
    dynamodb, sqs, logs, secrets = (front.client(name) for name in ("dynamodb", "sqs", "logs", "secretsmanager"))
    iam.create_user(UserName="reader")
    access_key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.attach_user_policy(UserName="reader", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    key_id = kms.create_key(Description="data")["KeyMetadata"]["KeyId"]
    signing_id = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    rsa_id = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    secret_text = kms.encrypt(KeyId=key_id, Plaintext=b"plain")["CiphertextBlob"]
    by_alias = kms.encrypt(KeyId="alias/aws/s3", Plaintext=b"default key")["CiphertextBlob"]
    signature = kms.sign(KeyId=signing_id, Message=b"m", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    ssm.put_parameter(Name="/app/url", Value="https://example.com", Type="SecureString")
    ssm.put_parameter(Name="/app/url", Value="https://example.org", Type="SecureString", Overwrite=True)
    topic = sns.create_topic(Name="news")["TopicArn"]
    dynamodb.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="t", Item={"id": {"S": "1"}, "n": {"N": "5"}})
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:q")
    sns.publish(TopicArn=topic, Message="hello")
    for body in ("deleted", "in flight"):
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    received = [sqs.receive_message(QueueUrl=queue, VisibilityTimeout=600)["Messages"][0] for _ in range(3)]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=received[1]["ReceiptHandle"])
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    secret = secrets.create_secret(Name="db", SecretString="hunter2")

    def state() -> dict[str, Any]:
        return {
            "user": shown(iam.get_user(UserName="reader")),
            "access_keys": shown(iam.list_access_keys(UserName="reader")),
            "attached": shown(iam.list_attached_user_policies(UserName="reader")),
            "keys": [shown(kms.describe_key(KeyId=each)) for each in (key_id, signing_id, rsa_id, "alias/aws/s3")],
            "public": [kms.get_public_key(KeyId=each)["PublicKey"] for each in (signing_id, rsa_id)],
            "parameter": shown(ssm.get_parameter(Name="/app/url", WithDecryption=True)),
            "topics": shown(sns.list_topics()),
            "subscriptions": shown(sns.list_subscriptions()),
            "table": shown(dynamodb.describe_table(TableName="t")),
            "item": shown(dynamodb.get_item(TableName="t", Key={"id": {"S": "1"}})),
            "queue": shown(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])),
            "groups": shown(logs.describe_log_groups()),
            "secret": shown(secrets.get_secret_value(SecretId="db")),
        }

    before = state()
    starts = front.fallback.child.starts
    front.kill_child()
    after = state()
    assert front.fallback.child.starts == starts + 1
    hello = front.fallback.child.hello
    assert hello is not None
    assert hello.replayed > 20
    assert hello.differing == 0
    assert after == before
    assert before["access_keys"]["AccessKeyMetadata"][0]["AccessKeyId"] == access_key["AccessKeyId"]
    assert before["secret"]["ARN"] == secret["ARN"]
    assert kms.decrypt(CiphertextBlob=secret_text)["Plaintext"] == b"plain"
    assert kms.decrypt(CiphertextBlob=by_alias)["Plaintext"] == b"default key"
    assert kms.verify(KeyId=signing_id, Message=b"m", Signature=signature, SigningAlgorithm="ECDSA_SHA_256")[
        "SignatureValid"
    ]
    assert before["queue"]["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "2"
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=received[2]["ReceiptHandle"])
    left = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_reading_leaves_the_journal_alone(front: Front) -> None:
    dynamodb, sqs, ssm = (front.client(name, "333333333333") for name in ("dynamodb", "sqs", "ssm"))
    dynamodb.create_table(
        TableName="r",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    queue = sqs.create_queue(QueueName="r")["QueueUrl"]
    before = front.journal_bytes
    dynamodb.get_item(TableName="r", Key={"id": {"S": "1"}})
    dynamodb.scan(TableName="r")
    dynamodb.list_tables()
    sqs.list_queues()
    sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    sqs.receive_message(QueueUrl=queue)
    ssm.describe_parameters()
    for name, operation in [
        ("iam", "list_users"),
        ("iam", "get_account_summary"),
        ("sts", "get_caller_identity"),
        ("kms", "list_keys"),
        ("kms", "generate_random"),
        ("sns", "list_topics"),
        ("logs", "describe_log_groups"),
        ("secretsmanager", "list_secrets"),
        ("secretsmanager", "get_random_password"),
        ("resourcegroupstaggingapi", "get_resources"),
        ("organizations", "list_accounts"),
    ]:
        params = {"NumberOfBytes": 8} if operation == "generate_random" else {}
        try:
            getattr(front.client(name, "333333333333"), operation)(**params)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
    assert front.journal_bytes == before


def test_a_refused_change_leaves_the_journal_alone(front: Front) -> None:
    iam = front.client("iam", "444444444444")
    iam.list_users()
    before = front.journal_bytes
    assert error_of(lambda: iam.delete_user(UserName="nobody"))[1] == "NoSuchEntity"
    assert front.journal_bytes == before


def test_accounts_and_regions_are_apart(front: Front) -> None:
    front.client("ssm", "111111111111").put_parameter(Name="/a", Value="1", Type="String")
    assert front.client("sts", "111111111111").get_caller_identity()["Account"] == "111111111111"
    assert front.client("sts", "222222222222").get_caller_identity()["Account"] == "222222222222"
    for account, region in (("222222222222", "us-east-1"), ("111111111111", "eu-west-1")):
        found = front.client("ssm", account, region).describe_parameters()["Parameters"]
        assert found == [], (account, region)
    assert front.client("ssm", "111111111111").get_parameter(Name="/a")["Parameter"]["Value"] == "1"


def test_a_long_poll_ends_when_a_message_comes_and_blocks_nobody(front: Front) -> None:
    sqs = front.client("sqs")
    queue = sqs.create_queue(QueueName="polled")["QueueUrl"]
    found: list[Any] = []
    poll = threading.Thread(
        target=lambda: found.extend(
            front.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20).get("Messages", [])
        )
    )
    poll.start()
    front.client("sts").get_caller_identity()
    sqs.send_message(QueueUrl=queue, MessageBody="now")
    poll.join(10)
    assert [each["Body"] for each in found] == ["now"]
    assert "Messages" not in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)


def test_a_redrive_policy_is_told_as_it_was_written(front: Front) -> None:
    sqs = front.client("sqs", "444444444444")
    sqs.create_queue(QueueName="dead")
    written = '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:444444444444:dead","maxReceiveCount":3}'
    queue = sqs.create_queue(QueueName="work", Attributes={"RedrivePolicy": written})["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]
    assert told == {"RedrivePolicy": written}


def test_a_queues_policy_stays_when_other_attributes_change(front: Front) -> None:
    sqs = front.client("sqs", "555555555555")
    queue = sqs.create_queue(QueueName="work")["QueueUrl"]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "5"})
    told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy", "DelaySeconds"])["Attributes"]
    assert (json.loads(told["Policy"]), told["DelaySeconds"]) == (json.loads(policy), "5")
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    assert "Policy" not in sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]


def test_moto_does_the_operation_that_a_request_was_routed_to_with_the_parameters_that_it_has(front: Front) -> None:
    secrets, iam = front.client("secretsmanager"), front.client("iam")
    made = secrets.create_secret(Name="honest", SecretString="a&Name=other&Action=ListSecrets&b")
    assert made["Name"] == "honest"
    assert secrets.get_secret_value(SecretId="honest")["SecretString"] == "a&Name=other&Action=ListSecrets&b"
    iam.create_user(UserName="shown")
    scope = "test/20260101/us-east-1/{}/aws4_request"
    form, shows = "application/x-www-form-urlencoded", "/?Action=GetUser&UserName=shown&Version=2010-05-08"
    evil = "Action=CreateUser&UserName=evil&Version=2010-05-08"
    parts = "".join(
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (each.split("=") for each in evil.split("&"))
    )
    for service, method, target, headers, body in (
        (
            "secretsmanager",
            "POST",
            "/?Action=CreateSecret&Name=evil",
            {"X-Amz-Target": "secretsmanager.ListSecrets"},
            "{}",
        ),
        ("iam", "POST", shows, {"Content-Type": "multipart/form-data; boundary=B"}, f"{parts}--B--\r\n"),
        ("iam", "POST", shows, {"Content-Type": form.title()}, evil),
        ("iam", "GET", shows, {"Content-Type": form}, evil),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", front.gateway.port, timeout=60)
        signed = f"AWS4-HMAC-SHA256 Credential={scope.format(service)}, SignedHeaders=host, Signature=0"
        connection.request(method, target, body, {**headers, "Authorization": signed})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        assert "honest" in text or "<UserName>shown</UserName>" in text
        connection.close()
    assert [each["Name"] for each in secrets.list_secrets()["SecretList"] if each["Name"] == "evil"] == []
    assert "evil" not in [each["UserName"] for each in iam.list_users()["Users"]]


def test_an_inline_policy_needs_no_version_and_a_managed_one_does(front: Front) -> None:
    iam = front.client("iam", "666666666666")
    policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
    iam.create_user(UserName="one")
    iam.put_user_policy(UserName="one", PolicyName="inline", PolicyDocument=policy)
    with pytest.raises(ClientError, match="must be version 2012-10-17"):
        iam.create_policy(PolicyName="managed", PolicyDocument=policy)


def test_an_operation_that_moto_lacks_answers_501_in_the_services_own_shape(front: Front) -> None:
    for service, call in (
        ("iam", lambda client: client.list_service_specific_credentials()),
        ("sqs", lambda client: client.list_message_move_tasks(SourceArn="arn:aws:sqs:us-east-1:000000000000:q")),
    ):
        status, code, message = error_of(lambda c=call, s=service: c(front.client(s)))
        assert (status, code) == (501, "NotImplemented")
        assert f"{service}:" in message
    assert "iam:ListServiceSpecificCredentials" in front.fallback.status()["not_implemented"]


def test_a_moto_that_cannot_start_answers_503_with_the_reason(tmp_path: Path) -> None:
    async def broken(argv: Any, env: Any, log: Path) -> Running:
        return await spawn_subprocess(["/bin/sh", "-c", "exit 3"], env, log)

    front = Front(tmp_path, broken)
    try:
        status, code, message = error_of(lambda: front.client("sqs").list_queues())
        assert (status, code) == (503, "ServiceUnavailable")
        assert "ended with 3" in message
        assert str(front.settings.log_dir / "moto.log") in message
    finally:
        front.close()


def test_a_journal_that_another_process_holds_is_left_alone(tmp_path: Path) -> None:
    from kunren.fallback.journal import Journal

    front = Front(tmp_path)
    held = Journal(front.settings.data_dir / "moto" / "journal")
    try:
        status, _, message = error_of(lambda: front.client("sqs").list_queues())
        assert status == 503
        assert "another process holds the journal" in message
    finally:
        held.close()
        front.close()


def test_nothing_is_started_before_the_first_call(tmp_path: Path) -> None:
    front = Front(tmp_path)
    assert front.fallback.status()["running"] is False
    assert not (front.settings.data_dir / "moto").exists()
    front.close()


def test_services_around_the_mission_keep_what_they_were_told(front: Front) -> None:
    account = "555555555555"

    def client(service: str) -> Any:
        return front.client(service, account)

    client("organizations").create_organization(FeatureSet="ALL")
    client("organizations").create_account(Email="a@example.com", AccountName="dev")
    client("resource-groups").create_group(
        Name="g",
        ResourceQuery={
            "Type": "TAG_FILTERS_1_0",
            "Query": '{"ResourceTypeFilters": ["AWS::AllSupported"], "TagFilters": [{"Key": "k", "Values": ["v"]}]}',
        },
    )
    role = client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    assumed = client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    assert assumed["AccessKeyId"].startswith("ASIA")

    def state() -> dict[str, Any]:
        return {
            "organization": shown(client("organizations").describe_organization()),
            "accounts": shown(client("organizations").list_accounts()),
            "group": shown(client("resource-groups").get_group(GroupName="g")),
            "roles": shown(client("iam").list_roles()),
        }

    before = state()
    front.kill_child()
    assert state() == before
    hello = front.fallback.child.hello
    assert hello is not None
    assert hello.differing == 0


def test_every_service_of_the_list_is_known_to_moto_and_to_the_models() -> None:
    import importlib.util

    from kunren.fallback.services import SERVICES
    from kunren.wire.catalog import Catalog

    catalog = Catalog()
    for service, owner in SERVICES.items():
        assert catalog.service(service).operations
        assert importlib.util.find_spec(f"moto.{owner.package}.models"), service
