"""`kunren exec` and the host's proxy: the two ways into the world, as scripts and people rely on them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path


def one_paragraph(done):
    """A failure as a user should meet it: exit code 1, one paragraph, no traceback."""
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


def with_aws(kunren):
    """The environment with the AWS command line of our own interpreter first."""
    folder = str(Path(sys.executable).parent)
    return {**kunren.environment, "PATH": folder + os.pathsep + kunren.environment["PATH"]}


def test_exec_passes_exit_code_and_streams_through(kunren):
    done = kunren.run("exec", "--", "sh", "-c", "cat; echo to-stderr >&2; exit 42", input="what came in\n")
    assert (done.returncode, done.stdout, done.stderr) == (42, "what came in\n", "to-stderr\n")
    assert kunren.run("exec", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM
    missing = kunren.run("exec", "--", "no-such-program")
    assert missing.returncode == 127
    assert "no-such-program" in missing.stderr
    assert kunren.run("exec", "--", "/etc/hostname").returncode == 126


def test_exec_hands_signals_on_and_leaves_nothing_when_it_is_killed(kunren, until):
    script = "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    program = kunren.popen("--", "sh", "-c", script, stdout=subprocess.PIPE)
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGTERM)
    assert program.stdout.read() == "got it\n"
    assert program.wait(5) == 7
    program.stdout.close()

    mark = f"{time.monotonic_ns() % 10**9 + 10**6}"
    program = kunren.popen("--", "sleep", mark)
    until(lambda: sleeping(mark), "the program running")
    program.kill()
    program.wait(5)
    until(lambda: not sleeping(mark), "the program ended with the command")


def sleeping(mark):
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if entry.read_bytes() == f"sleep\0{mark}\0".encode():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def test_exec_has_credentials_region_trust_and_no_proxy(kunren):
    given = {
        **kunren.environment,
        "https_proxy": "http://192.0.2.1:1",
        "AWS_ENDPOINT_URL": "http://192.0.2.1:1",
        "AWS_REGION": "eu-west-1",
    }
    kunren_with = type(kunren)(kunren.state, kunren.port, kunren.pid, given)
    told = dict(line.split("=", 1) for line in kunren_with.exec("env").stdout.splitlines() if "=" in line)
    assert "https_proxy" not in told
    assert "AWS_ENDPOINT_URL" not in told
    assert told["AWS_REGION"] == told["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert told["AWS_ACCESS_KEY_ID"]
    names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    for name in names:
        assert Path(kunren.run("ca").stdout.strip()).read_text().strip() in Path(told[name]).read_text()


def test_the_aws_command_line_works_in_the_world_without_an_endpoint(kunren, account):
    queue = f"queue-{account}"
    kunren_with = type(kunren)(kunren.state, kunren.port, kunren.pid, with_aws(kunren))
    kunren_with.exec("aws", "sqs", "create-queue", "--queue-name", queue)
    assert queue in kunren_with.exec("aws", "sqs", "list-queues").stdout
    # the system's own curl trusts the endpoint by the system's own trust store, with no variable set
    plain = "env -u CURL_CA_BUNDLE -u SSL_CERT_FILE curl -sS -o /dev/null -w '%{http_code} %{ssl_verify_result}' "
    code, verified = kunren.exec("sh", "-c", plain + "https://sqs.us-east-1.amazonaws.com/").stdout.split()
    assert verified == "0"
    assert code.startswith("4")
    other = kunren_with.exec("aws", "ec2", "describe-availability-zones", "--region", "ap-northeast-1").stdout
    assert {each["ZoneName"] for each in json.loads(other)["AvailabilityZones"]} == {
        "ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d",
    }  # fmt: skip


def test_dig_asks_the_worlds_resolver(kunren):
    answer = kunren.exec("dig", "+noall", "+answer", "+comments", "sts.us-east-1.amazonaws.com").stdout
    assert "status: NOERROR" in answer
    assert re.search(r"\sIN\s+A\s+198\.(18|19)\.", answer)
    assert "status: NXDOMAIN" in kunren.exec("dig", "no-such-name-at-all.test").stdout
    assert "status: NOERROR" in kunren.exec("dig", "+tcp", "sts.us-east-1.amazonaws.com").stdout


def test_an_unknown_place_is_refused_with_the_places_there_are(kunren):
    done = kunren.run("exec", "--from", "atlantis", "--", "true")
    text = one_paragraph(done)
    assert "atlantis" in text
    assert "virginia" in text
    assert "tokyo" in text


def test_an_unknown_subnet_address_or_group_is_refused_by_name(kunren, account):
    assert "subnet-0123" in one_paragraph(kunren.run("exec", "--subnet", "subnet-0123", "--", "true"))
    subnet = kunren.client("ec2", account).describe_subnets()["Subnets"][0]["SubnetId"]
    done = kunren.run("exec", "--subnet", subnet, "--address", "10.9.9.9", "--", "true")
    assert "does not fall within the subnet's address range" in one_paragraph(done)
    done = kunren.run("exec", "--subnet", subnet, "--security-group", "sg-0123", "--", "true")
    assert "sg-0123" in one_paragraph(done)
    assert kunren.run("exec", "--address", "10.0.0.1", "--", "true").returncode == 2
    assert kunren.run("exec", "--subnet", subnet, "--from", "tokyo", "--", "true").returncode == 2


def test_a_place_can_not_reach_beyond_the_world(kunren):
    done = kunren.exec("curl", "-sS", "--max-time", "3", f"http://127.0.0.1:{kunren.port}/", check=False)
    assert done.returncode == 7  # loopback is the place's own: nothing listens there


# -- the proxy -------------------------------------------------------------------------------------------------------


def test_the_hosts_proxy_reaches_a_site_of_the_world(kunren, site, until):
    site.listen(site.fixed("through the proxy"))
    site.wait_active()
    client = site.client()
    until(lambda: client.status(f"{site.url}/") == 200, "the site answers")
    port = kunren.status()["ports"]["proxy"]
    url = f"http://{site.name}/"
    assert curl("-x", f"http://127.0.0.1:{port}", url).stdout == "through the proxy"
    assert curl("-x", f"http://127.0.0.1:{port}", "--proxytunnel", url).stdout == "through the proxy"
    assert curl("-x", f"socks5h://127.0.0.1:{port}", url).stdout == "through the proxy"
    unknown = curl("-x", f"http://127.0.0.1:{port}", "-o", "/dev/null", "-w", "%{http_code}", "http://nobody.test/")
    assert unknown.stdout == "502"
    ca = kunren.run("ca").stdout.strip()
    over_tls = curl(
        "-x", f"http://127.0.0.1:{port}", "--cacert", ca, "-o", "/dev/null", "-w", "%{ssl_verify_result}",
        "https://sts.us-east-1.amazonaws.com/",
    )  # fmt: skip
    assert over_tls.stdout == "0"


def curl(*arguments):
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = ["curl", "-sS", "--max-time", "20", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
