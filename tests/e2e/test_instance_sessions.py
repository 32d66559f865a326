"""Session Manager on instances: which are managed, and shells in them by the AWS CLI."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from .test_instances import SERVER, Machines

POLICY = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


@pytest.fixture
def machines(kunren, account, until):
    return Machines(kunren, account, until)


@pytest.fixture
def session_path(tmp_path):
    """A PATH on which there is a session-manager-plugin."""
    plugin = Path(__file__).parent / "programs/session_manager_plugin.py"
    (tmp_path / "session-manager-plugin").symlink_to(plugin)
    return f"{tmp_path}:{os.environ['PATH']}"


def profile(iam, name, *policies):
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    for each in policies:
        iam.attach_role_policy(RoleName=name, PolicyArn=each)
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return {"Name": name}


def refused(call, **params):
    with pytest.raises(ClientError) as found:
        call(**params)
    error = found.value.response["Error"]
    return error["Code"], error["Message"]


def commands(kunren, ssm, account, id, other, until):
    """Run Command on an instance that is managed, and on another that is not."""

    def sent(*lines, **more):
        parameters = {"commands": lines, **{name: [value] for name, value in more.items()}}
        made = ssm.send_command(InstanceIds=[id], DocumentName="AWS-RunShellScript", Parameters=parameters)
        return {"CommandId": made["Command"]["CommandId"], "InstanceId": id}

    def ended(command):
        def over():
            found = ssm.get_command_invocation(**command)
            return found["Status"] not in ("Pending", "InProgress", "Delayed", "Cancelling") and found

        found = until(over, "the command's end", 60)
        return found["StatusDetails"], found["ResponseCode"], found["StandardOutputContent"]

    endless = sent("sleep 3600 & echo begun; wait")
    sent_early = sent("id -u", "pwd", "setsid true", "nohup sleep 600 > /tmp/left 2>&1 &", "echo $! > /tmp/pid")
    by_tag = ssm.send_command(
        Targets=[{"Key": "instanceids", "Values": [id]}, {"Key": "tag-key", "Values": ["none"]}],
        DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]},
    )["Command"]  # fmt: skip
    assert (by_tag["Status"], by_tag["StatusDetails"], by_tag["TargetCount"]) == ("Success", "NoInstancesInTag", 0)
    slow = sent("sleep 3600", executionTimeout="1")
    ssm.get_waiter("command_executed").wait(**sent_early, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert ended(sent_early) == ("Success", 0, "0\n/usr/bin\n")
    assert ended(sent('kill -0 "$(cat pid)"', "hostname", workingDirectory="/tmp"))[:2] == ("Success", 0)

    failing = sent("#!/usr/bin/env python3", "import sys", "print('x' * 30000)", "sys.exit('no')")
    assert ended(failing) == ("Failed", 1, "x" * 24_000)
    told = ssm.get_command_invocation(**failing)
    assert told["StandardErrorContent"] == "no\nfailed to run commands: exit status 1"
    (listed,) = ssm.list_command_invocations(CommandId=failing["CommandId"], Details=True)["CommandInvocations"]
    assert [(each["Name"], each["Status"], len(each["Output"])) for each in listed["CommandPlugins"]] == [
        ("aws:runShellScript", "Failed", 2_500)
    ]
    assert ended(slow)[:2] == ("Execution Timed Out", 137)
    (running,) = ssm.list_commands(Filters=[{"key": "ExecutionStage", "value": "Executing"}])["Commands"]
    assert (running["CommandId"], running["StatusDetails"]) == (endless["CommandId"], "In Progress")
    ssm.cancel_command(CommandId=endless["CommandId"])
    assert ended(endless) == ("Cancelled", 137, "begun\n")
    counts = [(each["StatusDetails"], each["ErrorCount"]) for each in ssm.list_commands(InstanceId=id)["Commands"]]
    assert sorted(counts) == [
        ("Cancelled", 0), ("Execution Timed Out", 1), ("Failed", 1), ("Success", 0), ("Success", 0),
    ]  # fmt: skip

    script = {"DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}
    assert refused(ssm.send_command, InstanceIds=[id, other], **script) == (
        "InvalidInstanceId", f"Instances [[{other}]] not in a valid state for account {account}",
    )  # fmt: skip
    assert refused(ssm.send_command, InstanceIds=[id], DocumentName="AWS-RunPatchBaseline") == (
        "NotImplemented", "Kunren's ssm has no commands by the document AWS-RunPatchBaseline yet.",
    )  # fmt: skip
    assert refused(ssm.send_command, InstanceIds=[id], **script, DocumentHash="0" * 64) == (
        "NotImplemented", "Kunren's ssm has no checks of documents' hashes yet.",
    )  # fmt: skip
    assert (
        refused(
            ssm.create_maintenance_window,
            Name="nightly",
            Schedule="rate(1 day)",
            Duration=2,
            Cutoff=1,
            AllowUnassociatedTargets=True,
        )[0]
        == "NotImplemented"
    )
    inputs = {"runCommand": ["echo hello {{ who }}"], "workingDirectory": "/tmp"}
    content = {
        "schemaVersion": "2.2", "parameters": {"who": {"type": "String", "default": "world"}},
        "mainSteps": [{"action": "aws:runShellScript", "name": "greet", "inputs": inputs}],
    }  # fmt: skip
    ssm.create_document(Name="greeting", DocumentType="Command", Content=json.dumps(content))
    greeting = ssm.send_command(InstanceIds=[id], DocumentName="greeting", Parameters={"who": ["you"]})["Command"]
    greeted = {"CommandId": greeting["CommandId"], "InstanceId": id}
    assert ended(greeted) == ("Success", 0, "hello you\n")
    assert ssm.get_command_invocation(**greeted, PluginName="greet")["DocumentName"] == "greeting"
    unknown = {"CommandId": "0" * 36, "InstanceId": id}
    assert refused(ssm.get_command_invocation, **unknown)[0] == "InvocationDoesNotExist"


def outputs(kunren, ssm, iam, account, id, until):
    """What commands print goes to a bucket and a log group, if the instance's role may write there."""
    s3, logs = kunren.client("s3", account), kunren.client("logs", account)
    bucket = f"outputs-{account}"
    s3.create_bucket(Bucket=bucket)

    def run(where):
        sent = ssm.send_command(
            InstanceIds=[id], DocumentName="AWS-RunShellScript", OutputS3BucketName=where, OutputS3KeyPrefix="of",
            Parameters={"commands": ["echo kept; echo lost >&2"]}, CloudWatchOutputConfig={"CloudWatchOutputEnabled": True},
        )["Command"]["CommandId"]  # fmt: skip
        show = lambda: ssm.get_command_invocation(CommandId=sent, InstanceId=id)  # noqa: E731
        until(lambda: show()["Status"] == "Success", "the command's success", 60)
        return sent, show()["StandardOutputUrl"]

    assert refused(run, where="none-of-mine")[0] == "InvalidOutputFolder"
    run(bucket)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    statement = {"Effect": "Allow", "Action": ["s3:PutObject", "logs:*"], "Resource": "*"}
    iam.put_role_policy(RoleName="managed", PolicyName="p", PolicyDocument=json.dumps({"Statement": [statement]}))
    command, url = run(bucket)
    key = f"of/{command}/{id}/awsrunShellScript/0.awsrunShellScript/stdout"
    assert url == f"https://s3.us-east-1.amazonaws.com/{bucket}/{key}"
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"kept\n"
    stream = f"{command}/{id}/aws-runShellScript/stderr"
    events = logs.get_log_events(logGroupName="/aws/ssm/AWS-RunShellScript", logStreamName=stream)["events"]
    assert [each["message"] for each in events] == ["lost\n"]


def test_a_shell_in_an_instance_whose_role_lets_systems_manager_and_in_no_other(
    kunren, machines, account, session_path, until, free_port
):
    ssm = kunren.client("ssm", account)
    ssm.put_parameter(Name="/kept", Value="by moto", Type="String")
    for key, code in (("tag:role", "NotImplemented"), ("other", "InvalidFilterKey")):  # where nothing is managed, too
        filters = [{"Key": key, "Values": ["web"]}]
        assert refused(ssm.describe_instance_information, Filters=filters)[0] == code
    id = machines.launch(IamInstanceProfile=profile(machines.iam, "managed", POLICY), UserData=SERVER)
    other = machines.launch()
    assert refused(ssm.start_session, Target=id) == ("TargetNotConnected", f"{id} is not connected.")
    machines.wait(id, "running")
    machines.wait(other, "running")
    (told,) = ssm.describe_instance_information()["InstanceInformationList"]
    assert (told["InstanceId"], told["PingStatus"], told["ResourceType"]) == (id, "Online", "EC2Instance")
    assert refused(ssm.start_session, Target=other) == ("TargetNotConnected", f"{other} is not connected.")
    assert refused(ssm.start_session, Target=id, DocumentName="none")[0] == "InvalidDocument"
    assert refused(ssm.start_session, Target=id, Parameters={"command": ["true"]}) == (
        "InvalidParameters", "Parameter command is not defined in the document.",
    )  # fmt: skip
    assert ssm.get_parameter(Name="/kept")["Parameter"]["Value"] == "by moto"

    env = {
        **os.environ, "PATH": session_path, "AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{kunren.port}",
    }  # fmt: skip
    typed = "stty size; cat /proc/1/comm; hostname; exit\n"
    command = ("aws", "ssm", "start-session", "--target", id, "--reason", "to look")
    done = subprocess.run(command, input=typed, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = [each.rpartition("# ")[2].strip() for each in done.stdout.splitlines()]  # behind the prompt, or before it
    name = "ip-" + machines.show(id)["PrivateIpAddress"].replace(".", "-")
    for wanted in ("45 123", "init", name):
        assert wanted in lines, done.stdout

    def history():
        return ssm.describe_sessions(State="History", Filters=[{"key": "Target", "value": id}])["Sessions"]

    ended = until(history, "the session's end")[0]
    assert (ended["Status"], ended["Reason"], ended["DocumentName"]) == (
        "Terminated", "to look", "SSM-SessionManagerRunShell",
    )  # fmt: skip
    assert ended["Owner"] == f"arn:aws:iam::{account}:root"

    echo = ("--document-name", "AWS-StartInteractiveCommand", "--parameters", "command=echo $((6 * 7))")
    assert "42" in subprocess.run((*command, *echo), env=env, capture_output=True, text=True, timeout=60).stdout.split()
    here = free_port()
    document = ("--document-name", "AWS-StartPortForwardingSessionToRemoteHost")
    ports = ("--parameters", f"host={machines.show(id)['PrivateDnsName']},portNumber=80,localPortNumber={here}")
    forwarding = subprocess.Popen((*command, *document, *ports), env=env, stdout=subprocess.PIPE, text=True)
    fetch = ("curl", "-sS", "--max-time", "10", f"http://127.0.0.1:{here}/", f"http://127.0.0.1:{here}/index.html")

    def page():
        return subprocess.run(fetch, capture_output=True, text=True, check=False).stdout.split()

    until(lambda: page() == [name, name], "the page, through the session", 60)
    many = [subprocess.Popen(fetch, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [each.communicate()[0].split() for each in many] == [[name, name]] * 4
    (active,) = ssm.describe_sessions(State="Active")["Sessions"]
    assert (active["Status"], active["DocumentName"]) == ("Connected", document[1])
    ssm.terminate_session(SessionId=active["SessionId"])
    assert forwarding.wait(30) == 0
    forwarding.stdout.close()

    begun = ssm.start_session(Target=id)["SessionId"]
    assert [each["SessionId"] for each in ssm.describe_sessions(State="Active")["Sessions"]] == [begun]
    assert ssm.resume_session(SessionId=begun)["SessionId"] == begun
    ssm.terminate_session(SessionId=begun)
    until(lambda: refused(ssm.resume_session, SessionId=begun)[0] == "DoesNotExistException", "it over")
    assert ssm.describe_sessions(State="Active")["Sessions"] == []
    assert ssm.get_connection_status(Target=id)["Status"] == "connected"
    commands(kunren, ssm, account, id, other, until)
    outputs(kunren, ssm, machines.iam, account, id, until)
    machines.end(id, other)
    assert ssm.describe_instance_information()["InstanceInformationList"] == []
