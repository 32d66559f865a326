"""Chaos Toolkit with its AWS driver, unmodified: its experiments hold, break and roll back what runs here."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("chaosaws", reason="the chaostoolkit-aws package is not installed")


def python(module, function, **arguments):
    return {"type": "python", "module": f"chaosaws.{module}", "func": function, "arguments": arguments}


def test_an_experiment_of_chaos_toolkit_starts_one_of_fis_and_rolls_it_back(kunren, account, site, until, tmp_path):
    target = site.target("one", zone=0)
    group = site.group((target, 80), Name="shop")
    site.listen(site.forward(group))
    site.wait_active()
    site.wait_healthy(group)
    fis = kunren.client("fis", account)
    role = kunren.client("iam", account).create_role(RoleName="fis", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    subnet = f"arn:aws:ec2:us-east-1:{account}:subnet/{site.subnets[0]}"
    action = {"actionId": "aws:network:disrupt-connectivity", "parameters": {"duration": "PT12H", "scope": "all"},
              "targets": {"Subnets": "it"}}  # fmt: skip
    template = fis.create_experiment_template(
        clientToken="one", description="d", roleArn=role, stopConditions=[{"source": "none"}], actions={"cut": action},
        targets={"it": {"resourceType": "aws:ec2:subnet", "resourceArns": [subnet], "selectionMode": "ALL"}},
    )["experimentTemplate"]["id"]  # fmt: skip
    experiment = {
        "title": "A subnet is cut off", "description": "d", "configuration": {"aws_region": "us-east-1"},
        "steady-state-hypothesis": {
            "title": "a target is registered and healthy",
            "probes": [
                {"type": "probe", "name": "health", "tolerance": True,
                 "provider": python("elbv2.probes", "all_targets_healthy", tg_names=["shop"])},
            ],
        },
        "method": [
            {"type": "action", "name": "cut",
             "provider": python("fis.actions", "start_experiment", experiment_template_id=template, tags={"by": "chaos"})},
        ],
        "rollbacks": [
            {"type": "action", "name": "mend", "provider": python("fis.actions", "stop_experiments_by_tags", tags={"by": "chaos"})},
        ],
    }  # fmt: skip
    (tmp_path / "experiment.json").write_text(json.dumps(experiment))
    environment = {
        **os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{kunren.port}", "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "HOME": str(tmp_path),
    }  # fmt: skip
    command = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "run", "--rollback-strategy", "always",
               "experiment.json"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    journal = json.loads((tmp_path / "journal.json").read_text())
    assert journal["steady_states"]["before"]["steady_state_met"] is True, done.stdout + done.stderr
    assert [each["status"] for each in (*journal["run"], *journal["rollbacks"])] == ["succeeded", "succeeded"]
    (found,) = fis.list_experiments()["experiments"]
    until(lambda: fis.get_experiment(id=found["id"])["experiment"]["state"]["status"] == "stopped", "the end")
    assert (
        site.ec2.describe_network_acls(Filters=[{"Name": "tag:managedByFIS", "Values": ["true"]}])["NetworkAcls"] == []
    )
