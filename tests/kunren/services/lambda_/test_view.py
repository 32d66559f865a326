from kunren.services.lambda_.model import Code, Function, FunctionStatus
from kunren.services.lambda_.view import configuration, timestamp


def function(**told):
    settings = {
        "account": "1", "region": "us-east-1", "id": "f", "arn": "arn", "role": "r", "runtime": "python3.12",
        "handler": "a.b", "code": Code(sha256="00" * 32, size=5), "last_modified": 1_700_000_000.25, "revision_id": "rev",
        "update_id": "u2", "log_group": "/aws/lambda/f", **told,
    }  # fmt: skip
    return Function(**settings)


def status(update_id, **told):
    return FunctionStatus(account="1", region="us-east-1", id="f", update_id=update_id, **told)


def test_times_are_lambdas_own():
    assert timestamp(1_700_000_000.25) == "2023-11-14T22:13:20.250+0000"


def test_a_new_function_is_pending_until_the_runtime_has_it():
    shown = configuration(function(), None)
    assert shown["State"] == "Pending"
    assert shown["StateReason"] == "The function is being created."
    assert shown["StateReasonCode"] == "Creating"
    assert "LastUpdateStatus" not in shown
    shown = configuration(function(deployed_update_id="u2"), status("u2"))
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in shown


def test_an_update_is_in_progress_until_the_runtime_has_it():
    shown = configuration(function(deployed_update_id="u1"), status("u1"))
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "InProgress")
    failed = status("u2", reason="no interpreter", reason_code="InvalidRuntime")
    shown = configuration(function(deployed_update_id="u1"), failed)
    assert (shown["LastUpdateStatus"], shown["LastUpdateStatusReasonCode"]) == ("Failed", "InvalidRuntime")


def test_a_restart_does_not_make_an_active_function_pending():
    shown = configuration(function(deployed_update_id="u2"), None)
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")


def test_absent_is_absent():
    assert "Environment" not in configuration(function(), None)
    assert configuration(function(environment={}), None)["Environment"] == {"Variables": {}}
