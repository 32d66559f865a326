"""The AWS CLI packages and deploys a template."""

from __future__ import annotations

import os
import re
import subprocess
import time

from stacking import CUSTOM


def executed(stacks, wanted):
    """Execute the change set that is there, and return its changes."""
    held = [
        each
        for each in stacks.api.list_change_sets(StackName="app")["Summaries"]
        if each["ExecutionStatus"] == "AVAILABLE"
    ]
    named = {"ChangeSetName": held[0]["ChangeSetId"]}
    found = stacks.api.describe_change_set(**named)["Changes"]
    stacks.api.execute_change_set(**named)
    stacks.settled("app", wanted)
    return found


def test_the_cli_packages_and_deploys(stacks, kunren, tmp_path):
    environment = {
        **os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{kunren.port}", "AWS_ACCESS_KEY_ID": stacks.account,
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip

    def aws(*arguments, code=0):
        done = subprocess.run(
            ["aws", "cloudformation", *arguments], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text("def handler(event, context):\n    return event['n'] + 1\n")
    text = CUSTOM.partition("  Thing:")[0].replace("index.handler", "app.handler")
    template = re.sub(
        r"      Code:\n.*", "      Code: code\nParameters: {N: {Type: String, Default: 30}}\n", text, flags=re.DOTALL
    )
    (tmp_path / "t.yaml").write_text(template.replace("Timeout: 30", "Timeout: !Ref N"))
    stacks.client("s3").create_bucket(Bucket=f"code-{stacks.account}")
    aws(
        "package",
        "--template-file",
        str(tmp_path / "t.yaml"),
        "--s3-bucket",
        f"code-{stacks.account}",
        "--output-template-file",
        str(tmp_path / "p.yaml"),
    )
    deploy = (
        "deploy",
        "--stack-name",
        "app",
        "--template-file",
        str(tmp_path / "p.yaml"),
        "--capabilities",
        "CAPABILITY_IAM",
    )

    def deployed(*more):
        """The CLI names a change set by the second in which it makes it: here two would be in one."""
        second = int(time.time())
        stacks.until(lambda: int(time.time()) > second, "the next second")
        return aws(*deploy, *more)

    # the CLI asks again after 30 s where a stack is not complete at once: so change sets are executed by hand
    deployed("--no-execute-changeset")
    executed(stacks, "CREATE_COMPLETE")
    assert "No changes to deploy" in deployed("--no-fail-on-empty-changeset")
    deployed("--no-execute-changeset", "--parameter-overrides", "N=20", "--tags", "team=blue")
    found = executed(stacks, "UPDATE_COMPLETE")
    assert {each["ResourceChange"]["LogicalResourceId"] for each in found} == {"Function", "Role"}
    function = stacks.physical("app")["Function"]
    client = stacks.client("lambda")
    assert client.invoke(FunctionName=function, Payload=b'{"n": 41}')["Payload"].read() == b"42"
    shown = client.get_function(FunctionName=function)
    assert (shown["Configuration"]["Timeout"], shown["Tags"]["team"]) == (20, "blue")
