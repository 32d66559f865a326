"""Service Connect's configuration: what is taken, shown and refused, and what deployments know."""

import asyncio

import pytest
from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.ecs.model import Service
from kunren.services.servicediscovery.model import KINDS, Namespace
from kunren.services.servicediscovery.model import Service as Registry

CTX = RequestContext("123456789012", "us-east-1", "ecs", "CreateCluster", "request-1")
ARN = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1"
WEB = {"portName": "web", "clientAliases": [{"port": 80}]}


@pytest.fixture
def shop(ecs):
    ecs.store.register(*KINDS)
    with ecs.store.write() as tx:
        tx.put(
            Namespace(account="123456789012", region="us-east-1", id="ns-1", name="shop", type="HTTP", created_at=0.0)
        )
    ecs.create_cluster(clusterName="shop", serviceConnectDefaults={"namespace": "shop"})
    define(ecs)
    return ecs


def define(ecs, mode="awsvpc", **port):
    ports = [{"containerPort": 8000, "name": "web", "appProtocol": "http", **port}, {"containerPort": 53, "name": "dns",
             "protocol": "udp"}, {"containerPort": 9000, "name": "raw"}]  # fmt: skip
    ecs.register_task_definition(
        family="web", networkMode=mode, requiresCompatibilities=["FARGATE" if mode == "awsvpc" else "EC2"], cpu="256",
        memory="512", containerDefinitions=[{"name": "web", "image": "web", "portMappings": ports}],
    )  # fmt: skip


def given(ecs, name, *services, fargate=True, **more):
    network = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": [ecs.subnet]}}, "launchType": "FARGATE"}
    told = {"enabled": True, "services": list(services), **more.pop("connect", {})}
    return {
        "cluster": "shop", "serviceName": name, "taskDefinition": "web", "desiredCount": 1,
        "serviceConnectConfiguration": told, **(network if fargate else {}), **more,
    }  # fmt: skip


def deployments(ecs, name):
    found = next(each for each in ecs.store.snapshot().every(Service) if each.name == name)
    return found.deployments


def test_a_service_is_shown_with_its_configuration_and_the_services_of_cloud_map(shop):
    created = shop.create_service(**given(shop, "orders", WEB))["service"]
    (registry,) = shop.store.snapshot().every(Registry)
    assert (registry.name, registry.by_http_only, registry.tags) == ("web", True, {"AmazonECSManaged": "true"})
    (deployment,) = created["deployments"]
    assert deployment["serviceConnectConfiguration"] == {"enabled": True, "namespace": ARN, "services": [WEB]}
    assert deployment["serviceConnectResources"] == [{"discoveryName": "web", "discoveryArn": registry.arn}]
    shop.create_service(**given(shop, "client"))
    shop.create_service(**given(shop, "other", connect={"enabled": False}))
    listed = shop.list_services_by_namespace(namespace=ARN)["serviceArns"]
    assert [each.rpartition("/")[2] for each in listed] == ["client", "orders"]


def test_a_deployment_knows_what_was_there_when_it_began_and_its_own(shop):
    shop.create_service(**given(shop, "client"))
    shop.create_service(**given(shop, "orders", WEB))
    assert deployments(shop, "client")[0].connect.known == ()
    (own,) = deployments(shop, "orders")[0].connect.known
    assert (own.dns_name, own.port, own.container_port, own.ingress_port) == ("web.shop", 80, 8000, 8000)
    assert (own.protocol, own.idle_s, own.request_s) == ("http", 300.0, 15.0)
    shop.update_service(cluster="shop", service="client", desiredCount=2)
    assert len(deployments(shop, "client")) == 1
    shop.update_service(cluster="shop", service="client", forceNewDeployment=True)
    new, old = deployments(shop, "client")
    assert (new.connect.known, old.connect.known) == ((own,), ())
    shop.update_service(cluster="shop", service="orders", serviceConnectConfiguration={"enabled": False})
    assert deployments(shop, "orders")[0].connect is None
    raw = {"portName": "raw", "clientAliases": [{"port": 1, "dnsName": "raw"}], "timeout": {"idleTimeoutSeconds": 0}}
    shop.update_service(
        cluster="shop", service="client", serviceConnectConfiguration={"enabled": True, "services": [raw]}
    )
    (offer,) = deployments(shop, "client")[0].connect.offers
    assert (offer.protocol, offer.idle_s, offer.dns_name) == ("tcp", 0.0, "raw")


def test_a_namespace_that_is_gone_is_in_nobodys_way_but_of_new_deployments(shop):
    shop.create_service(**given(shop, "client"))
    with shop.store.write() as tx:
        tx.delete(next(tx.every(Namespace)))
    assert shop.update_service(cluster="shop", service="client", desiredCount=3)["service"]["desiredCount"] == 3
    found = shop.refused("update_service", cluster="shop", service="client", forceNewDeployment=True)
    assert found == ("NamespaceNotFoundException", "The specified namespace was not found.")


REFUSED = [
    ({"portName": "no", "clientAliases": [{"port": 80}]}, "InvalidParameterException", "portName no"),
    ({"portName": "dns", "clientAliases": [{"port": 80}]}, "InvalidParameterException", "not of the protocol tcp"),
    ({"portName": "web"}, "InvalidParameterException", "clientAliases must have 1 element."),
    ({**WEB, "discoveryName": "-a"}, "InvalidParameterException", "discoveryName -a"),
    ({"portName": "web", "clientAliases": [{"port": 0}]}, "InvalidParameterException", "port 0"),
    ({"portName": "web", "clientAliases": [{"port": 1, "dnsName": "A"}]}, "InvalidParameterException", "dnsName A"),
    ({"portName": "raw", "clientAliases": [{"port": 1}], "timeout": {"perRequestTimeoutSeconds": 1}},
     "InvalidParameterException", "perRequestTimeoutSeconds"),
    ({**WEB, "tls": {"issuerCertificateAuthority": {}}}, "NotImplemented", "TLS of Service Connect"),
    ({**WEB, "discoveryName": "taken"}, "InvalidParameterException", "discoveryName taken is in use"),
    ({"portName": "web", "clientAliases": [{"port": 81, "dnsName": "taken"}]}, "InvalidParameterException",
     "client alias taken:81 is in use"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "code", "said"), REFUSED)
def test_an_offer_that_cannot_be_is_refused_and_makes_nothing(shop, service, code, said):
    taken = {"portName": "raw", "discoveryName": "taken", "clientAliases": [{"port": 81, "dnsName": "taken"}]}
    shop.create_service(**given(shop, "first", taken))
    found, text = shop.refused("create_service", **given(shop, "orders", service))
    assert (found, said in text) == (code, True), text
    assert [each.name for each in shop.store.snapshot().every(Registry)] == ["taken"]
    assert shop.list_services(cluster="shop")["serviceArns"][0].endswith("/first")


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"connect": {"namespace": "none"}}, "NamespaceNotFoundException", "not found"),
        ({"connect": {"accessLogConfiguration": {"format": "TEXT"}}}, "InvalidParameterException", "logConfiguration"),
        ({"connect": {"logConfiguration": {"logDriver": "splunk"}}}, "NotImplemented", "log driver splunk"),
        ({"deploymentController": {"type": "EXTERNAL"}}, "InvalidParameterException", "controller EXTERNAL"),
        ({"connect": {"containerConfigurations": [{"logLevel": "debug"}]}}, "NotImplemented", "proxy's container"),
    ],
)
def test_what_service_connect_does_not_go_with_is_refused(shop, more, code, said):
    found, text = shop.refused("create_service", **given(shop, "orders", WEB, **more))
    assert (found, said in text) == (code, True), text


def test_the_network_mode_is_not_the_hosts_and_the_protocol_stays(shop):
    shop.create_service(**given(shop, "orders", WEB))
    define(shop, appProtocol="grpc")
    found = shop.refused("update_service", cluster="shop", service="orders", taskDefinition="web")
    assert found == ("InvalidParameterException", "appProtocol can't be changed in a Service Connect service.")
    define(shop, "host")
    assert shop.refused("create_service", **given(shop, "other", fargate=False))[0] == "InvalidParameterException"
    define(shop, "bridge")
    behind = {**WEB, "discoveryName": "behind"}
    shop.create_service(**given(shop, "other", behind, fargate=False))
    (offer,) = deployments(shop, "other")[0].connect.offers
    assert (offer.container, offer.container_port, offer.ingress_port) == ("web", 8000, 0)


def test_a_cluster_makes_the_namespace_that_it_names_and_may_drop_it(shop):
    asked = []

    async def call(account, region, service, operation, params):
        asked.append((service, operation, params))
        with shop.store.write() as tx:
            tx.put(replace(namespace, id="ns-2", name=params["Name"]))

    namespace = next(shop.store.snapshot().every(Namespace))
    shop.api.call = call
    made = asyncio.run(shop.api.create_cluster(CTX, {
        "clusterName": "new", "serviceConnectDefaults": {"namespace": "fresh"},
    }))["cluster"]  # fmt: skip
    assert made["serviceConnectDefaults"] == {"namespace": ARN.replace("ns-1", "ns-2")}
    tags = [{"Key": "AmazonECSManaged", "Value": "true"}]
    assert asked == [("servicediscovery", "CreateHttpNamespace", {"Name": "fresh", "Tags": tags})]
    changed = shop.update_cluster(cluster="new", serviceConnectDefaults={"namespace": ""})["cluster"]
    assert "serviceConnectDefaults" not in changed
