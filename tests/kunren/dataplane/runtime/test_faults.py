import json

import pytest

from kunren.dataplane.runtime import faults


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (-9, "Runtime exited with error: signal: killed"),
        (-11, "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_exit_codes_in_awss_words(code, text):
    reply = faults.exited(code)
    assert json.loads(reply.document("id")) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: id Error: {text}",
    }
    assert reply.log_lines("id", "now") == (f"RequestId: id Error: {text}", "Runtime.ExitError")


def test_timeout_is_told_with_two_decimals():
    reply = faults.timed_out(3)
    assert json.loads(reply.document("id"))["errorMessage"] == "RequestId: id Error: Task timed out after 3.00 seconds"
    assert reply.log_lines("id", "T") == ("T id Task timed out after 3.00 seconds", "")


def test_what_the_runtime_said_itself_is_passed_on_as_it_is():
    assert faults.Reply(payload=b'{"odd": 1}', error_type="X").document("id") == b'{"odd": 1}'
