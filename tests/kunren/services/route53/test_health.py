from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.services.route53.health import is_healthy
from kunren.services.route53.model import HealthCheck, HealthCheckConfig, HealthCheckStatus
from kunren.services.route53.store import GLOBAL, Route53Store

ACCOUNT = "000000000000"


def _check(id: str, *, inverted: bool = False) -> HealthCheck:
    config = HealthCheckConfig(type="TCP", ip_address="198.19.0.16", port=80, inverted=inverted)
    return HealthCheck(account=ACCOUNT, region=GLOBAL, id=id, caller_reference=id, config=config)


def test_a_new_check_is_healthy_until_data_arrives_and_unhealthy_if_inverted() -> None:
    store = Store(None)
    Route53Store(store, SimClock(), Entropy(seed=1))
    with store.write() as tx:
        tx.put(_check("one"))
        tx.put(_check("two", inverted=True))
    assert is_healthy(store.snapshot(), ACCOUNT, "one")
    assert not is_healthy(store.snapshot(), ACCOUNT, "two")
    assert is_healthy(store.snapshot(), ACCOUNT, "gone")
    with store.write() as tx:
        tx.put(HealthCheckStatus(account=ACCOUNT, region=GLOBAL, id="one", healthy=False))
    assert not is_healthy(store.snapshot(), ACCOUNT, "one")
