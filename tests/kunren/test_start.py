"""What a start reads: nothing that only some service needs, once it is asked for."""

import re
import subprocess
import sys
from pathlib import Path

import kunren.on_demand

# each of these takes megabytes that every Kunren would hold
HEAVY = [
    "cryptography", "yaml", "grpc", "jmespath", "jsonschema", "botocore", "dns", "moto", "html", "email.message",
    "http.client", "urllib.request", "kunren.graph.build", "kunren.trace.tracer",
]  # fmt: skip
ON_DEMAND = re.findall(r"from (kunren\.services\.\S+) import", Path(kunren.on_demand.__file__).read_text())


def test_what_is_needed_on_demand_is_not_imported_before():
    assert "kunren.services.ecs.service" in ON_DEMAND
    code = f"import sys, kunren.app; print(*sorted(set(sys.modules) & set({HEAVY + ON_DEMAND!r})))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.split() == []
