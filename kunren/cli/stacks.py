"""`kunren stack watch` and `kunren up --deploy`: stacks from a terminal, each resource as it comes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import state_option
from kunren.management import stack_events
from kunren.management.client import Management


@click.group()
def stack() -> None:
    """CloudFormation stacks; they are made by AWS's own tools (`aws cloudformation deploy`)."""


@stack.command()
@state_option
@click.argument("name")
@click.option("--account", metavar="ID", default="000000000000", show_default=True)
@click.option("--region", metavar="REGION", default="us-east-1", show_default=True)
def watch(state_dir: Path, name: str, account: str, region: str) -> None:
    """Show a stack's resources as they come, with the reason where one fails, until its operation is over.

    \b
    Example:
      aws cloudformation create-stack --stack-name shop --template-body file://shop.yaml
      kunren stack watch shop

    What has happened in the last operation is shown first. Exits non-zero where it did not end as asked for.
    """
    api = client(Management(state_dir), account, region)
    if not followed(api, name):
        raise SystemExit(1)


def client(management: Management, account: str = "000000000000", region: str = "us-east-1") -> Any:
    """boto3's, as the account's root in strict mode."""
    import boto3

    port = management.get("/status")["ports"]["api"]
    given = management.post("/credentials", {"account": account, "role": None})
    key = given["variables"]["AWS_ACCESS_KEY_ID"] if given["strict"] else account
    keys = {"aws_access_key_id": key, "aws_secret_access_key": given["variables"]["AWS_SECRET_ACCESS_KEY"]}
    return boto3.client("cloudformation", endpoint_url=f"http://127.0.0.1:{port}", region_name=region, **keys)


def deploy(management: Management, template: Path) -> bool:
    """Create the stack that is named as the file is, or bring it up to date; whether it is as the file says."""
    from botocore.exceptions import ClientError

    name = re.sub(r"[^0-9A-Za-z-]", "-", template.stem).strip("-") or "stack"
    name = name if name[0].isalpha() else f"stack-{name}"
    api = client(management)
    params = {"StackName": name, "TemplateBody": template.read_text(), "Capabilities": stack_events.CAPABILITIES}
    try:
        try:
            id = api.create_stack(**params)["StackId"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "AlreadyExistsException":
                raise
            id = api.update_stack(**params)["StackId"]
    except ClientError as error:
        told = error.response["Error"]["Message"]
        if told == "No updates are to be performed.":
            click.echo(f"Stack {name} is as {template.name} says.")
            return True
        click.echo(f"{template}: {told}", err=True)
        return False
    good = followed(api, id)
    for each in api.describe_stacks(StackName=id)["Stacks"][0].get("Outputs", []):
        click.echo(f"  {each['OutputKey']}: {each['OutputValue']}")
    return good


def followed(api: Any, name: str) -> bool:
    """Show events until the stack's operation is over; whether it ended well. Raises Unusable for an unknown stack."""
    from botocore.exceptions import ClientError

    try:
        return stack_events.followed(api, name, lambda event: click.echo(stack_events.line(event))) in stack_events.GOOD
    except ClientError as error:
        raise Unusable(error.response["Error"]["Message"]) from error
