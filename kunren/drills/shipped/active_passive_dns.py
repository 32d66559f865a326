"""A primary site in one region, a secondary in another; Route 53 tells the secondary when the primary is unhealthy."""

from typing import Any

from kunren.drills.shipped.parts import REGIONS, Site, Zone, main

NAME = "drill-dns"
DOMAIN = "active-passive.test"
SITES = [Site(f"{NAME}-{role}", region) for role, region in zip(("primary", "secondary"), REGIONS, strict=True)]
ZONE = Zone(NAME, DOMAIN)


def deploy(ttl: str = "60", health_checks: str = "True", interval: str = "10", threshold: str = "3") -> dict[str, Any]:
    primary, secondary = (each.create(zones=1) for each in SITES)
    for each in SITES:
        each.wait()
    check = ZONE.health_check(
        Type="HTTP", FullyQualifiedDomainName=primary["name"], ResourcePath="/health",
        RequestInterval=int(interval), FailureThreshold=int(threshold),
    )  # fmt: skip

    def record(role: str, site: dict[str, Any]) -> dict[str, Any]:
        made = {
            "Name": f"www.{DOMAIN}", "Type": "CNAME", "TTL": int(ttl), "SetIdentifier": role, "Failover": role,
            "ResourceRecords": [{"Value": site["name"]}],
        }  # fmt: skip
        watched = role == "PRIMARY" and health_checks == "True"
        return {**made, "HealthCheckId": check} if watched else made

    ZONE.create([record("PRIMARY", primary), record("SECONDARY", secondary)])
    return {"name": f"www.{DOMAIN}", "primary": REGIONS[0], "health_check": check} | {
        f"{role}_{key}": value
        for role, site in (("primary", primary), ("secondary", secondary))
        for key, value in (
            ("subnet", site["subnets"][0]), ("address", site["addresses"][0]),
            ("security_group", site["security_group"]),
        )
    }  # fmt: skip


def remove() -> None:
    ZONE.remove()
    for each in SITES:
        each.remove()


if __name__ == "__main__":
    main(deploy, remove)
