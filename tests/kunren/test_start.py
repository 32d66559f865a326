"""What a start reads: nothing that only some service needs, once it is asked for."""

import subprocess
import sys

# each of these takes megabytes that every Kunren would hold
ON_DEMAND = [
    "cryptography",
    "yaml",
    "grpc",
    "jmespath",
    "jsonschema",
    "botocore",
    "dns",
    "moto",
    "html",
    "email.message",
    "http.client",
    "urllib.request",
    "kunren.graph.build",
    "kunren.trace.tracer",
    "kunren.services.cloudformation.service",
    "kunren.services.apigateway.service",
    "kunren.services.apigatewayv2.service",
    "kunren.services.events.service",
    "kunren.services.fis.service",
    "kunren.services.autoscaling.service",
    "kunren.services.cloudwatch.service",
    "kunren.services.codedeploy.service",
    "kunren.services.ecs.service",
]


def test_what_is_needed_on_demand_is_not_imported_before():
    code = f"import sys, kunren.app; print(*sorted(set(sys.modules) & set({ON_DEMAND!r})))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.split() == []
