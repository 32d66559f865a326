"""A creation whose stated name somebody has fails, however often a crash interrupts it; what was made before a crash is kept."""

import asyncio
from types import SimpleNamespace

import pytest

from kunren.core.errors import AwsError
from kunren.services.cloudformation.model import Attempt, StackResource
from kunren.services.cloudformation.resources import TYPES
from kunren.services.cloudformation.work import Work


class Crash(Exception):
    pass


class Exists(AwsError):
    code = "EntityAlreadyExists"


class ResourceExists(AwsError):
    code = "ResourceExistsException"


class Missing(AwsError):
    code, status = "NoSuchEntity", 404


class Identities:
    """Their service, whose answers are not written together with a note. The first creation crashes `before` it is carried
    out, or behind that."""

    def __init__(self, taken, before):
        self.roles, self.crashes, self.before = {"ours"} if taken else set(), 1, before
        self.row = StackResource(
            account="1", region="r", id="s/R", stack="s", logical="R", type="AWS::IAM::Role",
            attempt=Attempt(action="create", token="t", properties={"RoleName": "ours"}),
        )  # fmt: skip

    async def asked(self, account, region, service, operation, params):
        if operation == "GetRole" and params["RoleName"] not in self.roles:
            raise Missing("there is none")
        if operation == "CreateRole":
            crashes, self.crashes = self.crashes, 0
            if crashes and self.before:
                raise Crash
            if params["RoleName"] in self.roles:
                raise Exists("there is one") if not crashes else Crash
            self.roles.add(params["RoleName"])
            if crashes:
                raise Crash
        return {"Role": {"Arn": "arn", "RoleId": "id"}}

    async def noting(self, account, region, service, operation, params, noted):
        noted(await self.asked(account, region, service, operation, params))

    async def create(self):
        async def durable():
            """At once."""

        work = Work(
            SimpleNamespace(durable=durable), None, self.asked, SimpleNamespace(together=lambda *_: False, call=self.noting), None,
            SimpleNamespace(account="1", region="r", actor=None), self.row,
            cancelled=lambda: False, noted=lambda row: setattr(self, "row", row),
        )  # fmt: skip
        try:
            await TYPES["AWS::IAM::Role"].create(work)
        except AwsError as error:
            self.row = work.left(error)
            raise
        return work.attributes


@pytest.mark.parametrize("before", [True, False])
def test_a_taken_name_stays_somebody_elses_after_a_crash(before):
    identities = Identities(taken=True, before=before)
    with pytest.raises(Crash):
        asyncio.run(identities.create())
    with pytest.raises(Exists):
        asyncio.run(identities.create())
    assert identities.row.physical == ""


@pytest.mark.parametrize("before", [True, False])
def test_what_was_made_before_a_crash_is_the_stacks(before):
    identities = Identities(taken=False, before=before)
    with pytest.raises(Crash):
        asyncio.run(identities.create())
    assert asyncio.run(identities.create()) == {"Arn": "arn", "RoleId": "id"}
    assert identities.row.physical == "ours"


def test_a_secret_that_was_made_before_a_crash_is_found_by_its_name():
    row = StackResource(
        account="1", region="r", id="s/S", stack="s", logical="S", type="AWS::SecretsManager::Secret",
        attempt=Attempt(action="create", token="t", properties={"Name": "ours"}, asked=0),
    )  # fmt: skip

    async def asked(account, region, service, operation, params):
        if operation == "CreateSecret":
            raise ResourceExists("there is one")
        return {"ARN": f"arn:{params['SecretId']}"}

    async def noting(account, region, service, operation, params, noted):
        noted(await asked(account, region, service, operation, params))

    work = Work(
        None, None, asked, SimpleNamespace(together=lambda *_: False, call=noting), None,
        SimpleNamespace(account="1", region="r", actor=None), row, cancelled=lambda: False, noted=lambda row: None,
    )  # fmt: skip
    asyncio.run(TYPES["AWS::SecretsManager::Secret"].create(work))
    assert (work.physical, work.attributes) == ("arn:ours", {"Id": "arn:ours"})


def test_a_dashboard_s_name_is_asked_of_dashboards():
    row = StackResource(
        account="1", region="r", id="s/D", stack="s", logical="D", type="AWS::CloudWatch::Dashboard",
        attempt=Attempt(action="create", token="t", properties={"DashboardName": "ours", "DashboardBody": "{}"}),
    )  # fmt: skip
    services = set()

    async def asked(account, region, service, operation, params):
        services.add(service)
        if operation == "GetDashboard":
            raise Missing("there is none")
        return {}

    async def noting(account, region, service, operation, params, noted):
        noted(await asked(account, region, service, operation, params))

    async def durable():
        """At once."""

    work = Work(
        SimpleNamespace(durable=durable), None, asked, SimpleNamespace(together=lambda *_: False, call=noting), None,
        SimpleNamespace(account="1", region="r", actor=None), row, cancelled=lambda: False, noted=lambda row: None,
    )  # fmt: skip
    asyncio.run(TYPES["AWS::CloudWatch::Dashboard"].create(work))
    assert (work.physical, work.attributes, services) == ("ours", {}, {"cloudwatch"})
