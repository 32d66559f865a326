"""How policies are weighed against each other, by the rules of IAM's user guide, "Policy evaluation logic"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.authorization import EVERYTHING, Caller, Identity, Verdict, denial, judge
from kunren.core.policies import ALLOW, DENY, UNKNOWN, Asker, decision

OWN, OTHER = "111122223333", "444455556666"
USER = f"arn:aws:iam::{OWN}:user/kim"
ROLE = f"arn:aws:iam::{OWN}:role/app"
SESSION = f"arn:aws:sts::{OWN}:assumed-role/app/one"
THING = "arn:aws:s3:::bucket/key"


def statement(effect="Allow", action="s3:GetObject", resource="*", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def to(principal, effect="Allow", **more):
    return statement(effect, Principal=principal, **more)


def user(*statements, boundary=None, session=None, arn=USER, names=()):
    identity = Identity(tuple(statements), boundary, session)
    return Caller(OWN, arn, "AIDA", "AKIA", identity, names, known={"aws:username": "kim"}, asks=identity.asks)


ALLOWED, DENIED = (statement(),), (statement("Deny"),)


@pytest.mark.parametrize(
    ("caller", "policy", "owner", "wanted"),
    [
        (user(), None, OWN, Verdict(False, False, "identity-based policy")),
        (user(*ALLOWED), None, OWN, Verdict(True)),
        (user(*ALLOWED, *DENIED), None, OWN, Verdict(False, True, "identity-based policy")),
        (user(*ALLOWED, boundary=()), None, OWN, Verdict(False, False, "permissions boundary")),
        (user(*ALLOWED, boundary=ALLOWED), None, OWN, Verdict(True)),
        (user(*ALLOWED, boundary=DENIED), None, OWN, Verdict(False, True, "permissions boundary")),
        (user(*ALLOWED, session=()), None, OWN, Verdict(False, False, "session policy")),
        (user(*ALLOWED), [to({"AWS": "*"}, "Deny")], OWN, Verdict(False, True, "resource-based policy")),
        # in the own account a resource policy suffices, where it names who asks
        (user(), [to({"AWS": USER})], OWN, Verdict(True)),
        (user(), [to("*")], OWN, Verdict(True)),
        (user(), [to({"AWS": OWN})], OWN, Verdict(False, False, "identity-based policy")),
        (user(), [to({"AWS": f"arn:aws:iam::{OWN}:root"})], OWN, Verdict(False, False, "identity-based policy")),
        (user(), [to({"AWS": f"{USER}2"})], OWN, Verdict(False, False, "identity-based policy")),
        (user(boundary=()), [to({"AWS": USER})], OWN, Verdict(True)),
        # a role's session: named by its role it stays within its boundary, named itself not
        (user(arn=SESSION, names=(ROLE,), boundary=()), [to({"AWS": ROLE})], OWN,
         Verdict(False, False, "identity-based policy")),
        (user(arn=SESSION, names=(ROLE,)), [to({"AWS": ROLE})], OWN, Verdict(True)),
        (user(arn=SESSION, names=(ROLE,), session=()), [to({"AWS": SESSION})], OWN, Verdict(True)),
        # across accounts both sides have to allow it
        (user(*ALLOWED), [to({"AWS": OWN})], OTHER, Verdict(True)),
        (user(*ALLOWED), [to({"AWS": USER})], OTHER, Verdict(True)),
        (user(*ALLOWED), None, OTHER, Verdict(False, False, "resource-based policy")),
        (user(), [to({"AWS": USER})], OTHER, Verdict(False, False, "identity-based policy")),
        (user(*ALLOWED), [to({"AWS": OTHER})], OTHER, Verdict(False, False, "resource-based policy")),
        # who is excepted from a denial
        (user(*ALLOWED), [statement("Deny", NotPrincipal={"AWS": USER})], OWN, Verdict(True)),
        (user(*ALLOWED), [statement("Deny", NotPrincipal={"AWS": f"{USER}2"})], OWN,
         Verdict(False, True, "resource-based policy")),
    ],
)  # fmt: skip
def test_a_call_is_judged_by_all_policies_together(caller, policy, owner, wanted):
    assert judge(caller, "s3:GetObject", THING, policy=policy, owner=owner) == wanted


@pytest.mark.parametrize(
    ("one", "action", "resource", "fits"),
    [
        (statement(action="s3:Get*"), "s3:getobject", THING, True),
        (statement(action=["s3:Put*", "S3:GETOBJECT"]), "s3:GetObject", THING, True),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "s3:GetObject", THING, True),
        ({"Effect": "Allow", "NotAction": ["s3:*"], "Resource": "*"}, "s3:GetObject", THING, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::other/*"}, "s3:GetObject", THING, True),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::bucket/*"}, "s3:GetObject", THING, False),
        (statement(resource="arn:aws:s3:::bucket/${aws:username}/*"), "s3:GetObject", "arn:aws:s3:::bucket/kim/a", True),
        (statement(resource="arn:aws:s3:::bucket/${aws:username}/*"), "s3:GetObject", "arn:aws:s3:::bucket/pat/a", False),
        (statement(resource="arn:aws:s3:::bucket/${aws:none}/*"), "s3:GetObject", "arn:aws:s3:::bucket//a", False),
        (statement(resource="arn:aws:s3:::b"), "s3:GetObject", UNKNOWN, True),
        (statement(resource="arn:aws:s3:::b"), "s3:GetObject", "*", False),
        (statement(Condition={"StringEquals": {"aws:username": "kim"}}), "s3:GetObject", THING, True),
        (statement(Condition={"StringEquals": {"aws:username": "pat"}}), "s3:GetObject", THING, False),
    ],
)  # fmt: skip
def test_a_statement_is_about_its_actions_and_resources(one, action, resource, fits):
    assert judge(user(one), action, resource).allowed is fits


def test_what_is_unknown_is_denied_by_statements_about_everything_alone():
    assert judge(user(*EVERYTHING, statement("Deny", "*", "arn:aws:s3:::b")), "s3:GetObject", UNKNOWN).allowed
    assert not judge(user(*EVERYTHING, statement("Deny", "*", "*")), "s3:GetObject", UNKNOWN).allowed


def test_root_may_all_in_its_account_and_asks_elsewhere():
    root = Caller(OWN, f"arn:aws:iam::{OWN}:root", OWN, "AKIA", Identity(EVERYTHING), root=True)
    assert judge(root, "s3:GetObject", THING, owner=OWN).allowed
    assert not judge(root, "s3:GetObject", THING, owner=OTHER).allowed
    assert judge(root, "s3:GetObject", THING, policy=[to({"AWS": OWN})], owner=OTHER).allowed


def test_a_role_is_assumed_by_whom_its_trust_names():
    trusts_account, trusts_user = (
        [to({"AWS": OWN}, action="sts:AssumeRole")],
        [to({"AWS": USER}, action="sts:AssumeRole")],
    )
    may = statement(action="sts:AssumeRole", resource=ROLE)
    for caller, trust, allowed in (
        (user(), trusts_account, False), (user(may), trusts_account, True), (user(), trusts_user, True),
        (user(may), [], False),
    ):  # fmt: skip
        verdict = judge(caller, "sts:AssumeRole", ROLE, policy=trust, owner=OWN, policy_must_allow=True)
        assert verdict.allowed is allowed


def test_verdicts_are_kept_by_what_the_identity_asks_for():
    conditional = user(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
    assert conditional.asks == ("aws:sourceip",)
    assert judge(conditional, "s3:GetObject", THING, lambda: {"aws:sourceip": "10.1.1.1"}).allowed
    assert not judge(conditional, "s3:GetObject", THING, lambda: {"aws:sourceip": "11.1.1.1"}).allowed
    assert judge(conditional, "s3:GetObject", THING, lambda: {"aws:sourceip": "10.1.1.1", "aws:referer": "x"}).allowed
    assert set(conditional.decided) == {("s3:GetObject", THING, "10.1.1.1"), ("s3:GetObject", THING, "11.1.1.1")}
    own = user(statement(resource="arn:aws:s3:::bucket/${aws:username}/${s3:prefix, 'x'}/${*}"))
    assert own.asks == ("aws:username", "s3:prefix")
    plain = user(*ALLOWED)
    assert judge(plain, "s3:GetObject", THING, lambda: pytest.fail("nobody needs to know")).allowed
    assert plain.decided == {("s3:GetObject", THING): Verdict(True)}


def test_denials_are_in_awss_words():
    assert denial(USER, "s3:GetObject", THING, Verdict(False, False, "identity-based policy"), quoted=True) == (
        f'User: {USER} is not authorized to perform: s3:GetObject on resource: "{THING}" because no identity-based policy'
        " allows the s3:GetObject action"
    )
    assert denial(USER, "lambda:InvokeFunction", "arn:x", Verdict(False, True, "resource-based policy")) == (
        f"User: {USER} is not authorized to perform: lambda:InvokeFunction on resource: arn:x with an explicit deny in a"
        " resource-based policy"
    )


EFFECTS = st.sampled_from(["Allow", "Deny"])
ACTIONS = st.sampled_from(["s3:GetObject", "s3:*", "s3:Put*", "*", "sqs:SendMessage"])
RESOURCES = st.sampled_from(["*", THING, "arn:aws:s3:::bucket/*", "arn:aws:s3:::other/*"])
STATEMENTS = st.lists(
    st.builds(lambda effect, action, resource: statement(effect, action, resource), EFFECTS, ACTIONS, RESOURCES),
    max_size=6,
)


@given(STATEMENTS, STATEMENTS, st.booleans())
def test_an_explicit_denial_wins_whatever_else_is_said(mine, bound, bounded):
    caller = user(*mine, boundary=tuple(bound) if bounded else None)
    asker, everything = Asker(), [*mine, *(bound if bounded else [])]
    denies = any(decision([each], asker, "s3:GetObject", THING, {}) == DENY for each in everything)
    allows = any(decision([each], asker, "s3:GetObject", THING, {}) == ALLOW for each in mine)
    limits = not bounded or any(decision([each], asker, "s3:GetObject", THING, {}) == ALLOW for each in bound)
    verdict = judge(caller, "s3:GetObject", THING)
    assert verdict.allowed == (allows and limits and not denies)
    assert verdict.explicit == denies


@given(STATEMENTS, STATEMENTS)
def test_more_statements_that_deny_never_allow_more_and_order_says_nothing(mine, more):
    denials = [each for each in more if each["Effect"] == "Deny"]
    before = judge(user(*mine), "s3:GetObject", THING).allowed
    assert not judge(user(*mine, *denials), "s3:GetObject", THING).allowed or before
    assert judge(user(*reversed(mine)), "s3:GetObject", THING).allowed == before
