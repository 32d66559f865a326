"""Who may ask for an instance's commands where credentials are checked: the instance itself."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.fronts import FrontRequest
from kunren.services.codedeploy.agents.commands import CommandService
from kunren.services.codedeploy.model import KINDS
from kunren.services.ec2.instances.model import Instance

ACCOUNT, ID = "111122223333", "i-0123456789abcdef0"


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/web/{ID}", 200),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/web/i-00000000000000000", 400),
        (f"arn:aws:iam::{ACCOUNT}:user/somebody", 400),
    ],
)
def test_an_instance_alone_has_its_commands(caller, status):
    store = Store(None)
    store.register(*KINDS, Instance)
    with store.write() as tx:
        tx.put(
            Instance(
                account=ACCOUNT, region="us-east-1", id=ID, reservation_id="", launch_index=0, image_id="",
                instance_type="t3.micro", architecture="x86_64", vpc_id="", subnet_id="",
                availability_zone="us-east-1a", interface_id="", volume_id="", root_device="", launched_at=0.0,
            )
        )  # fmt: skip

    class Access:
        async def caller(self, request, service, region):
            return SimpleNamespace(account=ACCOUNT, arn=caller)

    commands = CommandService(store, SimClock(0.0))
    commands.access = Access()
    told = {
        "HostIdentifier": f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/{ID}",
        "HostCommandIdentifier": "d-AAAAAAAAA/Install",
    }
    request = FrontRequest(
        "POST", "codedeploy-commands.us-east-1.amazonaws.com", "/", "",
        {"x-amz-target": "CodeDeployCommandService_v20141006.PutHostCommandAcknowledgement"}, json.dumps(told).encode(),
        "192.0.2.1", SimpleNamespace(account=ACCOUNT),
    )  # fmt: skip
    answer = asyncio.run(commands.answer(request))
    assert answer.status == status
    assert (b"AccessDeniedException" in answer.body) == (status == 400)
