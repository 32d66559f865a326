"""Strict mode and ECS: what a task's execution role may do before its containers start."""

import json

import pytest
from strict_client import ACCOUNT, document, statement

pytestmark = pytest.mark.xdist_group("strict")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/closed:1"
LOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/closed", "awslogs-region": "us-east-1",
                                            "awslogs-stream-prefix": "p", "awslogs-create-group": "true"}}  # fmt: skip


@pytest.fixture
def run(strict, until):
    """Run a task of a container with that role, until it is STOPPED: its id and why."""
    ecs, ec2 = strict.client("ecs"), strict.client("ec2")
    ecs.create_cluster(clusterName="closed")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]

    def done(role, image="busybox", **container):
        containers = [{"name": "web", "image": image, "command": ["true"], **container}]
        ecs.register_task_definition(
            family="closed", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            executionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", containerDefinitions=containers,
        )  # fmt: skip
        network = {"awsvpcConfiguration": {"subnets": [subnet]}}
        told = ecs.run_task(
            cluster="closed", taskDefinition="closed", launchType="FARGATE", networkConfiguration=network
        )
        task = told["tasks"][0]["taskArn"]

        def stopped():
            shown = ecs.describe_tasks(cluster="closed", tasks=[task])["tasks"][0]
            return shown["lastStatus"] == "STOPPED" and shown

        return task.rpartition("/")[2], until(stopped, "the task's end", 60)["stoppedReason"]

    return done


def test_a_task_fails_where_its_execution_role_is_allowed_too_little(strict, run):
    iam = strict.client("iam")
    iam.create_role(RoleName="closed", AssumeRolePolicyDocument=json.dumps(TRUST))
    allowed = []

    def allow(*actions):
        allowed.extend(actions)
        iam.put_role_policy(RoleName="closed", PolicyName="own", PolicyDocument=document(statement(allowed)))

    def denied(task, action, resource):
        return (
            f"AccessDeniedException: User: arn:aws:sts::{ACCOUNT}:assumed-role/closed/{task} is not authorized to "
            f"perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"
        )

    task, why = run("closed", IMAGE)
    assert why == (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        "unable to retrieve ecr registry auth: service call has been retried 1 time(s): "
        f"{denied(task, 'ecr:GetAuthorizationToken', '*')}"
    )
    allow("ecr:GetAuthorizationToken")
    assert run("closed", IMAGE)[1].endswith("failed with status code [manifests 1]: 403 Forbidden")
    task, why = run("closed", logConfiguration=LOGS)
    stream = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/ecs/closed:log-stream:"
    assert why == (
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to "
        f"create Cloudwatch log stream: {denied(task, 'logs:CreateLogStream', f'{stream}p/web/{task}')} : exit status 1"
    )
    allow("logs:CreateLogStream")
    task, why = run("closed", logConfiguration=LOGS)
    assert f"create Cloudwatch log group: {denied(task, 'logs:CreateLogGroup', stream)}" in why
    allow("logs:CreateLogGroup", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    assert f"{IMAGE}: not found" in run("closed", IMAGE)[1]
    assert run("closed", logConfiguration=LOGS)[1] == "Essential container in task exited"
    iam.update_assume_role_policy(RoleName="closed", PolicyDocument=json.dumps(TRUST).replace("ecs-tasks", "ec2"))
    for role in ("nobody", "closed"):
        assert "ECS was unable to assume the role" in run(role)[1]
