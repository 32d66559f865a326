"""Terraform as its users run it, for the tests that do: where it and its AWS provider are, one configuration in a
folder, and many of them at once.

Nearly all the time of such a test are pauses that the provider makes before it looks at all (30 s before a load
balancer, say), so all cases run at the same time, each in a thread, with an account and a folder of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any

CONFIGURATIONS = Path(__file__).parent
RUN_TIMEOUT_S = 900
WIDE = "-parallelism=50"  # records, say, are each waited for half a minute before the first look
_AWS = "*/hashicorp/aws/*"  # in a mirror, below the host's name: a folder per version, or archives


def provider_mirror(environment: Mapping[str, str], home: Path, here: Path) -> Path | None:
    """The first folder with Terraform's AWS provider: KUNREN_TERRAFORM_PLUGINS, what Terraform's own configuration
    names, or where Terraform looks by itself ("Implied Local Mirror Directories")."""
    return next((each for each in _mirrors(environment, home, here) if any(each.glob(_AWS))), None)


def _mirrors(environment: Mapping[str, str], home: Path, here: Path) -> Iterator[Path]:
    if named := environment.get("KUNREN_TERRAFORM_PLUGINS"):
        yield Path(named)
    configuration = Path(environment.get("TF_CLI_CONFIG_FILE") or home / ".terraformrc")
    text = configuration.read_text() if configuration.is_file() else ""
    written = re.findall(r'filesystem_mirror\s*\{[^}]*?\bpath\s*=\s*"([^"]+)"', text)
    written += re.findall(r'^\s*plugin_cache_dir\s*=\s*"([^"]+)"', text, re.MULTILINE)
    if cache := environment.get("TF_PLUGIN_CACHE_DIR"):
        written.append(cache)
    for each in written:
        yield Path(each.replace("$HOME", str(home))).expanduser()
    shared = environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = environment.get("XDG_DATA_HOME") or str(home / ".local/share")
    yield here / "terraform.d/plugins"
    yield home / ".terraform.d/plugins"
    yield from (Path(each) / "terraform/plugins" for each in (own, *shared.split(":")))


def missing(environment: Mapping[str, str], home: Path, here: Path) -> str:
    """Why Terraform can't be run here; "" where it can."""
    if shutil.which("terraform") is None:
        return "needs terraform"
    if provider_mirror(environment, home, here) is None:
        return (
            "needs a local mirror of Terraform's AWS provider: KUNREN_TERRAFORM_PLUGINS names its folder, or one of "
            "those where Terraform looks has it"
        )
    return ""


class Terraform:
    """One configuration in a folder of its own, applied to one account. `variables` are its Terraform variables."""

    def __init__(self, folder: Path, configuration: str, port: int, account: str, **variables: str) -> None:
        if (CONFIGURATIONS / configuration).is_dir():
            shutil.copytree(CONFIGURATIONS / configuration, folder)
        else:
            folder.mkdir(parents=True)
            shutil.copy(CONFIGURATIONS / f"{configuration}.tf", folder / "main.tf")
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TF_")},
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "GOGC": "400",  # its garbage costs more time than it is worth in so short a life
        }
        self.set(**variables)

    def set(self, **variables: str) -> None:
        self.environment |= {f"TF_VAR_{name}": value for name, value in variables.items()}

    def run(self, command: str, *options: str) -> str:
        done = subprocess.run(
            ["terraform", command, *([] if command == "state" else ["-no-color"]), *options],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"terraform {command}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def apply(self, planned: bool = True, **variables: str) -> dict[str, Any]:
        """Apply; what is there is what was asked for, so a plan then has nothing to do (asked for unless `planned` says
        no: each command costs seconds of a processor). The outputs."""
        self.set(**variables)
        self.run("apply", "-auto-approve", WIDE)
        if planned:
            self.unchanged()
        state = json.loads((self.folder / "terraform.tfstate").read_text())
        return {name: each["value"] for name, each in state["outputs"].items()}

    def unchanged(self) -> None:
        self.run("plan", "-detailed-exitcode")

    def destroy(self) -> None:
        self.run("destroy", "-auto-approve", WIDE)

    def adopt(self, *addresses: str, **named: str) -> None:
        """Forget these resources and import them again, the first as `terraform import` does, the others by `import`
        blocks, by their ids (`named`: made of other values, for a type of resource): nothing is lost by it."""
        held = {each["address"]: each for each in self._resources()}
        ids = {each: named.get(held[each]["type"], "{id}").format(**held[each]["values"]) for each in addresses}
        self.run("state", "rm", *addresses)
        first, *others = addresses
        self.run("import", first, ids[first])
        blocks = self.folder / "imports.tf"
        blocks.write_text("".join(f'import {{\n  to = {each}\n  id = "{ids[each]}"\n}}\n' for each in others))
        told = self.run("apply", "-auto-approve")
        blocks.unlink()
        assert f"{len(others)} imported, 0 added, " in told, told
        assert " 0 destroyed" in told, told
        self.unchanged()

    def _resources(self) -> Iterable[dict[str, Any]]:
        modules = [json.loads(self.run("show", "-json"))["values"]["root_module"]]
        for module in modules:
            modules += module.get("child_modules", ())
            yield from module.get("resources", ())


class Case:
    """What a case has: an account and a domain of its own, a folder, and `running`, which starts programs in the world
    that end with it. `until` waits on a condition, as the fixture does."""

    def __init__(self, kunren: Any, running: Any, until: Callable[..., Any], folder: Path, mirror: Path) -> None:
        self.kunren, self.running, self.until = kunren, running, until
        self.account = f"7{int.from_bytes(blake2b(folder.name.encode(), digest_size=4).digest()):011d}"
        self.domain = f"t{self.account}.test"
        self._folder, self._mirror = folder, mirror

    def configuration(self, name: str, **variables: str) -> Terraform:
        """The one of that name, initialised."""
        made = Terraform(self._folder / name, name, self.kunren.port, self.account, **variables)
        made.run("init", f"-plugin-dir={self._mirror}")
        return made

    def client(self, service: str) -> Any:
        return self.kunren.client(service, self.account)

    def dig(self, *question: str, place: str = "tokyo") -> list[str]:
        """What `dig +short` prints there, sorted."""
        return sorted(self.kunren.exec("dig", "+short", *question, place=place).stdout.splitlines())

    def curl(self, *options: str, place: str = "tokyo", check: bool = True) -> str:
        return self.kunren.exec("curl", "-sS", "--max-time", "10", *options, place=place, check=check).stdout


def nothing_left(case: Case, *groups: str) -> bool:
    """But for security groups of these names, that somebody else made."""
    return (
        case.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
        and case.client("elbv2").describe_target_groups()["TargetGroups"] == []
        and case.client("route53").list_hosted_zones()["HostedZones"] == []
        and case.client("acm").list_certificates()["CertificateSummaryList"] == []
        and [each["IsDefault"] for each in case.client("ec2").describe_vpcs()["Vpcs"]] == [True]
        and case.client("ec2").describe_addresses()["Addresses"] == []
        and {each["GroupName"] for each in case.client("ec2").describe_security_groups()["SecurityGroups"]}
        == {"default", *groups}
    )


def packed(configuration: Terraform, archive: str, file: str, text: str) -> None:
    with zipfile.ZipFile(configuration.folder / archive, "w") as opened:
        opened.writestr(file, text)


CaseFunction = Callable[[Case], None]


def at_once(cases: Iterable[CaseFunction], run: Callable[[CaseFunction], None]) -> None:
    """Run all of them at the same time (those that KUNREN_TERRAFORM_CASES names, where it is set), to the end whatever
    becomes of the others. Raises what they raised."""
    chosen = os.environ.get("KUNREN_TERRAFORM_CASES", "").split()
    wanted = [each for each in cases if not chosen or each.__name__ in chosen]
    with ThreadPoolExecutor(len(wanted)) as pool:
        results = {each.__name__: pool.submit(_timed, run, each) for each in wanted}
    failures = []
    for name, result in results.items():
        if (failure := result.exception()) is not None:
            failure.add_note(f"in the case {name!r}")
            failures.append(failure)
    if failures:
        raise BaseExceptionGroup("Terraform cases failed", failures)


def _timed(run: Callable[[CaseFunction], None], case: CaseFunction) -> None:
    began = time.monotonic()
    try:
        run(case)
    finally:
        print(f"{case.__name__}: {time.monotonic() - began:.0f} s")
