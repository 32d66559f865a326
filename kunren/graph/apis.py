"""API Gateway's HTTP APIs: custom domain names, routes as they are deployed, and the functions behind them."""

from __future__ import annotations

from kunren.control.store import Snapshot
from kunren.graph import certificates
from kunren.graph.draft import Draft
from kunren.graph.model import Node
from kunren.services.apigatewayv2.checks import function_arn
from kunren.services.apigatewayv2.domains.model import ApiMapping, DomainName
from kunren.services.apigatewayv2.model import Api, Content, Deployment, Stage


def add(draft: Draft) -> None:
    """Edges lead from domain names by mappings to APIs, and from routes to functions or to what is asked by name."""
    for api in draft.every(Api):
        _add_api(draft, api)
    for domain in draft.every(DomainName):
        draft.names[domain.target] = domain.arn
        details = {"domain name": domain.target, "mutual tls": "yes" if domain.trust is not None else "no"}
        draft.add(
            Node(
                id=domain.arn, kind="api-domain", name=domain.id, arn=domain.arn, account=domain.account,
                region=domain.region, state="available", details=details,
            )
        )  # fmt: skip
        certificates.join(draft, domain.arn, domain.certificate_arn, "certificate")
    for mapping in draft.every(ApiMapping):
        source = f"arn:aws:apigateway:{mapping.region}::/domainnames/{mapping.domain}"
        target = f"arn:aws:apigateway:{mapping.region}::/apis/{mapping.api_id}"
        draft.join(source, target, f"/{mapping.key_path} to {mapping.stage}")


def _add_api(draft: Draft, api: Api) -> None:
    host = f"{api.id}.execute-api.{api.region}.amazonaws.com"
    stages = [
        each for each in draft.snapshot.list(Stage, api.account, api.region) if each.id.startswith(f"{api.id}/")
    ]  # fmt: skip
    draft.names[host] = api.arn
    details = {"domain name": host, "stages": ", ".join(each.own_id for each in stages)}
    draft.add(
        Node(
            id=api.arn, kind="api", name=api.config["Name"], arn=api.arn, account=api.account, region=api.region,
            state="available" if any(each.deployment for each in stages) else "", details=details,
        )
    )  # fmt: skip
    for content in _served(draft.snapshot, stages):
        for route_id, route in content.routes.items():
            _add_route(draft, api, route_id, route, content)


def _served(snapshot: Snapshot, stages: list[Stage]) -> list[Content]:
    """What the stages serve, without what several of them do."""
    keys = {each.deployment: each for each in stages if each.deployment}
    found = (
        snapshot.get(Deployment, each.account, each.region, f"{each.api_id}/{deployment}")
        for deployment, each in sorted(keys.items())
    )
    return [each.content for each in found if each is not None]


def _add_route(draft: Draft, api: Api, route_id: str, route: dict[str, str], content: Content) -> None:
    id = f"{api.arn}/routes/{route_id}"
    integration = content.integrations.get(route.get("Target", "").partition("/")[2], {})
    uri = integration.get("IntegrationUri", "")
    draft.add(
        Node(
            id=id, kind="api-route", name=route["RouteKey"], account=api.account, region=api.region, within=api.arn,
            details={"asks": integration.get("IntegrationSubtype") or uri, "authorization": route["AuthorizationType"]},
        )
    )  # fmt: skip
    draft.join(api.arn, id, route["RouteKey"])
    if (arn := function_arn(uri)) is not None:
        draft.join(id, arn)
    elif uri.startswith("arn:aws:elasticloadbalancing:"):
        draft.join(id, uri)
    elif "://" in uri:
        draft.asked[id] = uri.partition("://")[2].partition("/")[0].partition(":")[0]
