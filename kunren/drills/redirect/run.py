"""Deploys one architecture of the redirect service by its example script, visits every domain, judges, cleans up."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from kunren.drills import stacks
from kunren.drills.access import Access
from kunren.drills.ending import while_kunren_runs
from kunren.drills.failures import DrillFailed, KunrenEnded, NotOurs
from kunren.drills.redirect import cdk, stack
from kunren.drills.redirect.expected import PATH, QUERY, Check, problem

PLACES = ("virginia", "tokyo", "frankfurt")
# architecture → its script, and the schemes it serves
ARCHITECTURES = {
    "alb": ("deploy_alb", ("http", "https")),
    "alb-lambda": ("deploy_alb_lambda", ("http", "https")),
    "api-gateway": ("deploy_api_gateway", ("https",)),
    "cloudfront-function": ("deploy_cloudfront_function", ("http", "https", "http3")),
    "cloudfront-lambda-edge": ("deploy_cloudfront_lambda_edge", ("http", "https", "http3")),
    "s3-website": ("deploy_s3_website", ("http",)),
}
SCRIPT, CLOUDFORMATION, CDK = TOOLS = ("boto3", "cloudformation", "cdk")
"""With what an architecture is deployed: its script, its template as a stack, or the CDK app that has all of them."""
Progress = Callable[[str], None]
_READS = ("Describe", "Get", "List")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The drill's result; `as_json` is the object that scripts read."""

    architecture: str
    checks: tuple[Check, ...]
    limits: Mapping[str, str] = field(default_factory=dict)
    """By domain: what the architecture can't do of its entry, so that less was deployed and looked for."""

    @property
    def verdict(self) -> bool:
        return bool(self.checks) and all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        good, count = sum(check.ok for check in self.checks), len(self.checks)
        why = f"{good} of {count} checks hold"
        objective = {
            "name": "checks",
            "target": count,
            "measured": good,
            "met": self.verdict,
            "why": why,
            "traffic": "",
        }
        return {
            "drill": "redirect",
            "verdict": self.verdict,
            "reason": why,
            "objectives": [objective],
            "rto_s": None,
            "rpo_s": None,
            "operations": {"sent": count, "ok": good, "failed": count - good, "unknown": 0},
            "latency_ms": {phase: {"p50": None, "p99": None} for phase in ("before", "during", "after")},
            "faults": [],
            "speed": 1.0,
            "seed": None,
            "history": "",
            "architecture": self.architecture,
            "limits": dict(self.limits),
            "checks": [asdict(check) for check in self.checks],
        }


def example_folder() -> Path:
    """Where the example scripts are: in the checkout, or as they were installed."""
    here = Path(__file__).resolve()
    for folder in (here.parents[3] / "examples" / "redirect", here.parents[2] / "examples" / "redirect"):
        if (folder / "document.py").exists():
            return folder
    raise DrillFailed("the redirect example's scripts were not installed with kunren")


@dataclass(slots=True)
class Deployment:
    """What is deployed: the document's entries as far as the architecture can do them (and in words what it can't, by
    domain), the schemes that are served, and what it took."""

    redirects: list[Any]
    schemes: tuple[str, ...]
    limits: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    """API calls that changed something."""
    calls: int = 0
    """All API calls."""
    seconds: float = 0.0

    def count(self, model: Any, **_: Any) -> None:
        self.calls += 1
        self.steps += not model.name.startswith(_READS)


def run_redirect(
    architecture: str,
    domains: Path | None,
    endpoint: str,
    state_dir: Path,
    keep: bool,
    progress: Progress,
    tool: str = SCRIPT,
) -> Outcome:
    """Run the whole drill against a running Kunren, deployed with one of `TOOLS`. Raises DrillFailed."""
    with deployed(architecture, domains, Access(state_dir, endpoint), keep, progress, tool) as deployment:
        return Outcome(architecture, tuple(visit_all(deployment, state_dir, progress)), deployment.limits)


@contextmanager
def deployed(
    architecture: str, domains: Path | None, access: Access, keep: bool, progress: Progress, tool: str = SCRIPT
) -> Iterator[Deployment]:
    """An architecture, deployed with one of `TOOLS` and taken away in the end. Raises DrillFailed."""
    folder = example_folder()
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    from botocore.exceptions import BotoCoreError, ClientError

    script, schemes = ARCHITECTURES[architecture]
    document, example = importlib.import_module("document"), importlib.import_module(script)
    try:
        redirects = document.load_document(domains or folder / "domains.json")
    except document.BadDocument as error:
        raise DrillFailed(str(error)) from error
    name, made = example.NAME, Deployment(redirects, schemes)
    try:
        if hasattr(example, "served"):
            made = _as_served(redirects, schemes, example.served)
        for domain, limit in made.limits.items():
            progress(f"{architecture} can't do all of {domain}: {limit}")
        progress(f"Deploying {architecture}: {len(redirects)} domains, {', '.join(schemes)}")
        with while_kunren_runs(access, "deployed"):
            _remove(access, name, progress)
            began = time.monotonic()
            if tool == SCRIPT:
                example.deploy(_session(access, made.count), name, redirects)
            elif tool == CLOUDFORMATION:
                stack.deploy(_session(access, made.count), architecture, name, redirects, progress)
            else:
                cdk.deploy(access, folder / "cdk", architecture, redirects, progress)
            made.seconds = time.monotonic() - began
        with while_kunren_runs(access, "asked"):
            yield made
    except (document.BadDocument, ClientError, BotoCoreError) as error:
        raise DrillFailed(str(error)) from error
    except (KunrenEnded, NotOurs):
        keep = True
        raise
    finally:
        if not keep:
            progress("Taking it away")
            with while_kunren_runs(access, "taken away"):
                _remove(access, name, progress)


def _remove(access: Access, name: str, progress: Progress) -> None:
    """Whatever a deployment of that name left, with whichever tool it was made: a stack, and what none has (any more).
    Raises DrillFailed; NotOurs where somebody else has a stack of that name."""
    session = _session(access)
    stacks.delete(session.client("cloudformation"), name, stack.MARK, progress)
    importlib.import_module("shared").remove(session, name)


def _as_served(
    redirects: list[Any], schemes: tuple[str, ...], served: Callable[[Any], tuple[Any, str]]
) -> Deployment:  # fmt: skip
    """Raises the document module's BadDocument."""
    told = [served(each) for each in redirects]
    return Deployment([each for each, _ in told], schemes, {each.domain: limit for each, limit in told if limit})


def _session(access: Access, called: Callable[..., None] | None = None) -> Any:
    """A boto3 session whose every client speaks to this Kunren; `called` hears of each call."""
    import boto3
    from botocore.config import Config

    endpoint, given = access.endpoint, access.credentials

    class KunrenSession(boto3.Session):  # type: ignore[misc]
        @cache  # noqa: B019 — scripts ask for the same ones again and again, and each reads megabytes
        def client(self, service: str, *arguments: Any, **options: Any) -> Any:
            told: dict[str, Any] = {"endpoint_url": endpoint}
            if service == "cloudfront-keyvaluestore":
                # botocore puts the account in front of this one's endpoint: as a user's name it does no harm, but
                # hides from botocore that no proxy leads there
                told = {"endpoint_url": endpoint.replace("://", "://kvs@"), "config": Config(proxies={})}
            made = super().client(service, *arguments, **{**told, **options})
            if called is not None:
                made.meta.events.register("before-call", called)
            return made

    key, secret = given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"]
    return KunrenSession(aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1")


def url(scheme: str, domain: str) -> str:
    return f"{'https' if scheme == 'http3' else scheme}://{domain}{PATH}?{QUERY}"


def visit_all(deployment: Deployment, state_dir: Path, progress: Progress) -> list[Check]:
    """Every domain over every scheme from three places."""
    redirects, schemes = deployment.redirects, deployment.schemes
    requests = [
        {"domain": redirect.domain, "scheme": scheme, "url": url(scheme, redirect.domain)}
        for redirect in redirects
        for scheme in schemes
    ]
    by_domain = {redirect.domain: redirect for redirect in redirects}
    checks = []
    for place in PLACES:
        progress(f"Asking every domain from {place}")
        for request, answer in zip(requests, _visit(place, requests, state_dir), strict=True):
            wrong = problem(by_domain[request["domain"]], request["scheme"], answer["addresses"], answer)
            checks.append(
                Check(
                    domain=request["domain"],
                    scheme=request["scheme"],
                    place=place,
                    address=answer["address"],
                    status=answer["status"],
                    location=answer["location"],
                    tls_verified=answer["tls_verified"],
                    ok=not wrong,
                    problem=wrong,
                )
            )
    return checks


def _visit(place: str, requests: list[dict[str, str]], state_dir: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "kunren.cli.main", "exec", "--state", str(state_dir), "--from", place, "--"]
    command += [sys.executable, "-m", "kunren.drills.redirect.visit"]
    done = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DrillFailed(f"the client in {place} ended with status {done.returncode}: {done.stderr.strip()}")
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers
