"""Functions that take all they can get: what they are given is AWS's, and everything else goes on."""

import base64
import io
import json
import os
import threading
import zipfile
from pathlib import Path

import pytest

ROLE = "arn:aws:iam::000000000000:role/any"


def package(source):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", source)
    return out.getvalue()


class Account:
    def __init__(self, kunren, account):
        self.kunren = kunren
        self.functions = kunren.client("lambda", account)

    def function(self, name, source, **params):
        settings = {"Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler", "Timeout": 30}
        code = {"ZipFile": package(source)}
        self.functions.create_function(FunctionName=name, Code=code, **{**settings, **params})
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})

    def invoke(self, name, **event):
        """The answer (its error type and message where it failed) and the log's tail."""
        told = self.functions.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        answer = json.loads(told["Payload"].read())
        if "FunctionError" in told:
            answer = (answer["errorType"], answer["errorMessage"].partition(" Error: ")[2] or answer["errorMessage"])
        return answer, base64.b64decode(told["LogResult"]).decode()


@pytest.fixture
def home(kunren, account):
    return Account(kunren, account)


FILES = """
import os
def handler(event, context):
    if event.get("crash"):
        os._exit(1)
    try:
        with open("/tmp/file", "ab") as file:
            for _ in range(event["mb"]):
                file.write(bytes(1 << 20))
        problem = None
    except OSError as error:
        problem = os.strerror(error.errno)
    written = os.stat("/tmp/file").st_size >> 20
    if event.get("remove"):
        os.unlink("/tmp/file")
    try:
        open(os.environ["LAMBDA_TASK_ROOT"] + "/new", "w")
    except OSError as error:
        return [problem, written, os.strerror(error.errno), context.memory_limit_in_mb]
"""


def test_tmp_has_its_size_beside_the_memory_and_is_kept_by_its_environment_also_over_a_crash(home):
    home.function("files", FILES, EphemeralStorage={"Size": 600})
    read_only = "Read-only file system"
    assert home.invoke("files", mb=200)[0] == [None, 200, read_only, "128"]
    assert home.invoke("files", mb=200)[0] == [None, 400, read_only, "128"]
    assert home.invoke("files", mb=0, crash=True)[0] == (
        "Runtime.ExitError", "Runtime exited with error: exit status 1",
    )  # fmt: skip
    assert home.invoke("files", mb=300)[0] == ["No space left on device", 600, read_only, "128"]
    assert home.invoke("files", mb=0, remove=True)[0][1] == 600
    assert home.invoke("files", mb=1)[0] == [None, 1, read_only, "128"]
    home.functions.update_function_configuration(FunctionName="files", EphemeralStorage={"Size": 512})
    home.functions.get_waiter("function_updated_v2").wait(FunctionName="files", WaiterConfig={"Delay": 0.1})
    assert home.invoke("files", mb=600)[0] == ["No space left on device", 512, read_only, "128"]


def test_a_function_that_holds_more_than_its_memory_is_killed_whoever_of_it_holds_it(home):
    source = "import os\ndef handler(event, context):\n    hold = []\n    if event['children']:\n"
    source += "        for _ in range(3):\n            if os.fork() == 0:\n                break\n"
    source += "    while True: hold.append(bytes(b'x' * (1 << 20))); __import__('time').sleep(event['pause'])\n"
    home.function("eater", source, MemorySize=192)
    for event in ({"children": False, "pause": 0}, {"children": False, "pause": 0.001}):
        answer, tail = home.invoke("eater", **event)
        assert answer == ("Runtime.ExitError", "Runtime exited with error: signal: killed")
        assert "Memory Size: 192 MB\tMax Memory Used: 192 MB" in tail
        assert "Error Type: Runtime.OutOfMemory" in tail


def test_a_function_that_never_returns_is_ended_with_all_it_has_started(home, until):
    source = "import subprocess\ndef handler(event, context):\n    for _ in range(5):\n        subprocess.Popen("
    source += "['/bin/sleep', '1000'], start_new_session=True)\n    while True: pass\n"
    home.function("endless", source, Timeout=2)
    answer, tail = home.invoke("endless")
    assert answer == ("Sandbox.Timedout", "Task timed out after 2.00 seconds")
    assert "Task timed out after 2.00 seconds\n" in tail
    assert "Duration: 2000.00 ms\tBilled Duration: " in tail
    until(lambda: not processes_of("endless"), "the end of what the function had started")


def processes_of(function):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"AWS_LAMBDA_FUNCTION_NAME={function}".encode() in environment:
            found.append(folder.name)
    return found


BOMB = """
import os, resource, threading, time
def handler(event, context):
    files = []
    try:
        while True: files.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        opened = [os.strerror(error.errno), max(files) + 1]
    for each in files: os.close(each)
    started = 0
    try:
        while started < 3000:
            if os.fork() == 0:
                os.setsid()
                time.sleep(1000)
            started += 1
    except OSError as error:
        return [opened, os.strerror(error.errno), started]
    return [opened, "", started]
"""


def test_a_fork_bomb_and_open_files_end_at_aws_quotas_and_nothing_of_them_is_left(home, until):
    home.function("bomb", BOMB, MemorySize=3008)
    opened, refused, started = home.invoke("bomb")[0]
    assert opened == ["Too many open files", 1024]
    if os.getuid() != 0 or doctors_word(home.kunren, "cgroups"):
        assert (refused, started) == ("Resource temporarily unavailable", 1023)
    assert len(processes_of("bomb")) == started + 1
    home.functions.delete_function(FunctionName="bomb")
    until(lambda: not processes_of("bomb"), "the end of the bomb")


def doctors_word(kunren, name):
    told = json.loads(kunren.run("doctor", "--json").stdout)
    return next(each["ok"] for each in told["checks"] if each["name"] == name)


FLOOD = """
import os
def handler(event, context):
    block = (b"x" * 999 + b"\\n") * 1000
    for _ in range(event["mb"]):
        left = memoryview(block)
        while left: left = left[os.write(1, left):]
    print("the last line")
    return event["mb"]
"""


def test_a_gigabyte_of_logs_fills_neither_disk_nor_memory_and_the_api_goes_on(home):
    home.function("flood", FLOOD, Timeout=300)
    before = memory_mb(home.kunren.pid)
    answers = []
    flooding = threading.Thread(target=lambda: answers.append(home.invoke("flood", mb=1000)))
    flooding.start()
    asked = 0
    while flooding.is_alive():
        home.functions.get_account_settings()
        asked += 1
        flooding.join(0.05)
    ((answer, tail),) = answers
    assert (answer, asked > 5) == (1000, True)
    assert "the last line" in tail
    logs = home.kunren.state / "logs" / "lambda"
    kept = [each for each in logs.iterdir() if ".flood.log" in each.name]
    assert sum(each.stat().st_size for each in kept) < 25_000_000
    assert memory_mb(home.kunren.pid) - before < 150


def memory_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024
