"""One load balancer; a rule of its listener sends everything to the targets. Somebody will change that rule."""

from typing import Any

from kunren.drills.shipped.parts import Site, main

SITE = Site("drill-rule")


def deploy() -> dict[str, Any]:
    made = SITE.create()
    rule = SITE.elb.create_rule(
        ListenerArn=made["listener"], Priority=10,
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}],
        Actions=[{"Type": "forward", "TargetGroupArn": made["group"]}],
    )["Rules"][0]["RuleArn"]  # fmt: skip
    SITE.wait()
    return {
        **{key: made[key] for key in ("name", "group", "security_group")},
        "rule": rule,
        "subnet": made["subnets"][0],
        "address": made["addresses"][0],
        "subnet_b": made["subnets"][1],
        "address_b": made["addresses"][1],
    }


if __name__ == "__main__":
    main(deploy, SITE.remove)
