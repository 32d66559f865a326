"""A template as a drill's architecture: what it gives, what is shown meanwhile, and what is said where it fails."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from kunren.drills.access import Access
from kunren.drills.deployment import Deployment
from kunren.drills.failures import DrillFailed, NotOurs
from kunren.drills.model import Architecture
from kunren.drills.redirect.run import TOOLS, deployed

TEMPLATE = """
Parameters: {Delay: {Type: Number}, Name: {Type: String}}
Resources:
  First: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: !Ref Delay}}
  Second: {Type: AWS::SQS::Queue, DependsOn: First, Properties: {QueueName: !Ref Name}}
Outputs: {Url: {Value: !Ref Second}}
"""


@pytest.fixture
def deployment(kunren, tmp_path):
    """`deployment(**settings)`: of the template, and what is shown."""
    template = tmp_path / "two_queues.yaml"
    template.write_text(TEMPLATE)

    def make(**settings):
        shown = []
        access = Access(kunren.state, f"http://127.0.0.1:{kunren.port}")
        return Deployment(access, Architecture(settings=settings, template=template), tmp_path, shown.append), shown

    return make


def test_a_stack_gives_its_outputs_is_shown_replaced_and_removed(kunren, deployment):
    made, shown = deployment(Delay=5, Name="of-a-drill")
    url = made.deploy()["Url"]
    assert url.endswith("/of-a-drill")
    assert [line.split()[1:3] for line in shown] == [
        ["CREATE_COMPLETE", "First"], ["CREATE_COMPLETE", "Second"], ["CREATE_COMPLETE", "drill-two-queues"],
    ]  # fmt: skip
    again, _ = deployment(Delay=6, Name="of-another")
    assert again.deploy()["Url"].endswith("/of-another")
    with pytest.raises(ClientError, match="does not exist"):
        kunren.client("sqs").get_queue_attributes(QueueUrl=url)
    path = kunren.client("cloudformation").describe_stacks(StackName="drill-two-queues")["Stacks"][0]["Tags"]
    assert [each["Key"] for each in path] == ["kunren:drill"] and path[0]["Value"].endswith("/two_queues.yaml")
    again.remove()
    with pytest.raises(ClientError, match="does not exist"):
        kunren.client("cloudformation").describe_stacks(StackName="drill-two-queues")


def test_a_stack_that_fails_is_told_with_its_resource_and_reason_and_taken_back(kunren, deployment):
    made, shown = deployment(Delay=5, Name="no/name")
    with pytest.raises(DrillFailed) as told:
        made.deploy()
    first, *_, last = str(told.value).splitlines()
    assert "two_queues.yaml could not be deployed: Second (AWS::SQS::Queue): " in first
    assert "alphanumeric" in first, first
    assert last == "What had been deployed was taken back."
    assert any(line.split()[1:3] == ["CREATE_FAILED", "Second"] for line in shown)
    with pytest.raises(ClientError, match="does not exist"):
        kunren.client("cloudformation").describe_stacks(StackName="drill-two-queues")


@pytest.fixture
def somebody_elses(kunren):
    """`somebody_elses(name)`: within, there is a stack of that name, and still is in the end."""
    api = kunren.client("cloudformation")

    @contextmanager
    def make(name):
        id = api.create_stack(StackName=name, TemplateBody='{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}')["StackId"]  # fmt: skip
        try:
            yield
            assert not api.describe_stacks(StackName=id)["Stacks"][0]["StackStatus"].startswith("DELETE")
        finally:
            api.delete_stack(StackName=id)
            api.get_waiter("stack_delete_complete").wait(StackName=id, WaiterConfig={"Delay": 1})

    return make


def test_a_stack_of_that_name_that_is_not_the_drills_stays(deployment, somebody_elses):
    made, _ = deployment(Delay=5, Name="of-a-drill")
    with somebody_elses("drill-two-queues"):
        with pytest.raises(DrillFailed, match=r"^There is a stack drill-two-queues that is not this drill's: ") as told:
            made.deploy()
        assert "taken back" not in str(told.value).lower() and "taking back" not in str(told.value).lower()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_stack_of_the_redirect_drills_name_that_is_not_its_own_stays(kunren, somebody_elses, tool):
    access, shown = Access(kunren.state, f"http://127.0.0.1:{kunren.port}"), []
    with somebody_elses("redirect-s3-website"):
        not_ours = pytest.raises(NotOurs, match=r"^There is a stack redirect-s3-website that is not this drill's: ")
        with not_ours, deployed("s3-website", None, access, False, shown.append, tool):
            pass
    assert "Taking it away" not in shown
