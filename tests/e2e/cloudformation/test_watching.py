"""Who sees what becomes of a stack: Kunren's commands that deploy and watch, and a topic."""

from __future__ import annotations

import json

from stacking import physical, settled


def test_commands_deploy_a_template_and_watch_a_stack(own_kunren, tmp_path, until):
    template = {"Resources": {"B": {"Type": "AWS::S3::Bucket"}}, "Outputs": {"Name": {"Value": {"Ref": "B"}}}}
    file = tmp_path / "my_shop.yaml"
    file.write_text(json.dumps(template))
    told = own_kunren.run(
        "up", "--detach", "--port", "0", "--proxy-port", "0", "--deploy", str(file), check=True
    ).stdout  # fmt: skip
    assert "CREATE_COMPLETE      my-shop (AWS::CloudFormation::Stack)" in told
    own_kunren.port = own_kunren.status()["ports"]["api"]
    api = own_kunren.client("cloudformation")
    bucket = physical(api, "my-shop")["B"]
    assert f"  Name: {bucket}" in told
    own_kunren.client("s3").put_object(Bucket=bucket, Key="k", Body=b"1")
    id = api.describe_stacks(StackName="my-shop")["Stacks"][0]["StackId"]
    api.delete_stack(StackName="my-shop")
    watched = own_kunren.run("stack", "watch", "my-shop")
    assert (watched.returncode, "is not empty" in watched.stdout) == (1, True), watched
    own_kunren.client("s3").delete_object(Bucket=bucket, Key="k")
    api.delete_stack(StackName=id)
    settled(api, id, until, "DELETE_COMPLETE")
    assert own_kunren.run("stack", "watch", "my-shop").returncode != 0


def test_a_topic_is_told_of_a_stacks_events(kunren, account, until):
    api, sns, sqs = (kunren.client(each, account) for each in ("cloudformation", "sns", "sqs"))
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    topic = sns.create_topic(Name="events")["TopicArn"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:us-east-1:{account}:told",
        Attributes={"RawMessageDelivery": "true"},
    )
    template = json.dumps({"Resources": {"B": {"Type": "AWS::S3::Bucket"}}})
    id = api.create_stack(StackName="told", TemplateBody=template, NotificationARNs=[topic])["StackId"]
    settled(api, id, until, "CREATE_COMPLETE")
    found = []

    def told():
        for each in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            lines = dict(line.split("=", 1) for line in each["Body"].splitlines())
            found.append((lines["LogicalResourceId"].strip("'"), lines["ResourceStatus"].strip("'")))
        return len(found) == 5

    until(told, "five events")
    began, done = "CREATE_IN_PROGRESS", "CREATE_COMPLETE"
    assert sorted(found) == sorted([("told", began), ("B", began), ("B", began), ("B", done), ("told", done)])
