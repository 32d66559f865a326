"""The load balancer as Terraform's AWS provider makes it: apply, traffic, an empty plan, a change, destroy.

Runs where `terraform` is found and KUNREN_TERRAFORM_PLUGINS names a folder with the AWS provider (as `terraform init
-plugin-dir` takes it): the provider is too large to be downloaded by a test. Nearly all of its time are pauses that
the provider makes before it looks at all.
"""

import os
import shutil
import subprocess
import textwrap

import pytest

CONFIGURATION = """
    variable "body" { type = string }
    terraform {
      required_providers {
        aws = { source = "hashicorp/aws" }
      }
    }
    provider "aws" {
      region                      = "us-east-1"
      access_key                  = "ACCOUNT"
      secret_key                  = "test"
      skip_metadata_api_check     = true
      endpoints {
        ec2     = "URL"
        elbv2   = "URL"
        route53 = "URL"
        acm     = "URL"
        sts     = "URL"
        iam     = "URL"
      }
    }
    resource "aws_vpc" "main" { cidr_block = "10.20.0.0/16" }
    resource "aws_internet_gateway" "main" { vpc_id = aws_vpc.main.id }
    resource "aws_subnet" "main" {
      count             = 2
      vpc_id            = aws_vpc.main.id
      cidr_block        = cidrsubnet(aws_vpc.main.cidr_block, 8, count.index)
      availability_zone = ["us-east-1a", "us-east-1b"][count.index]
    }
    resource "aws_route_table" "main" {
      vpc_id = aws_vpc.main.id
      route {
        cidr_block = "0.0.0.0/0"
        gateway_id = aws_internet_gateway.main.id
      }
    }
    resource "aws_route_table_association" "main" {
      count          = 2
      subnet_id      = aws_subnet.main[count.index].id
      route_table_id = aws_route_table.main.id
    }
    resource "aws_security_group" "main" {
      name   = "front"
      vpc_id = aws_vpc.main.id
      dynamic "ingress" {
        for_each = [80, 443]
        content {
          from_port   = ingress.value
          to_port     = ingress.value
          protocol    = "tcp"
          cidr_blocks = ["0.0.0.0/0"]
        }
      }
    }
    resource "aws_lb" "main" {
      name               = "terraformed"
      load_balancer_type = "application"
      subnets            = aws_subnet.main[*].id
      security_groups    = [aws_security_group.main.id]
      depends_on         = [aws_route_table_association.main]
    }
    resource "aws_lb_target_group" "main" {
      name                 = "terraformed"
      port                 = 80
      protocol             = "HTTP"
      target_type          = "ip"
      vpc_id               = aws_vpc.main.id
      deregistration_delay = 30
      health_check {
        path = "/health"
      }
    }
    resource "aws_lb_listener" "http" {
      load_balancer_arn = aws_lb.main.arn
      port              = 80
      default_action {
        type = "fixed-response"
        fixed_response {
          content_type = "text/plain"
          message_body = var.body
          status_code  = "200"
        }
      }
    }
    resource "aws_lb_listener_rule" "moved" {
      listener_arn = aws_lb_listener.http.arn
      priority     = 10
      condition {
        path_pattern { values = ["/old/*"] }
      }
      action {
        type = "redirect"
        redirect {
          host        = "new.test"
          status_code = "HTTP_301"
        }
      }
    }
    resource "aws_route53_zone" "main" { name = "DOMAIN" }
    resource "aws_acm_certificate" "main" {
      domain_name       = "DOMAIN"
      validation_method = "DNS"
    }
    resource "aws_route53_record" "proof" {
      for_each = {
        for each in aws_acm_certificate.main.domain_validation_options : each.domain_name => each
      }
      zone_id = aws_route53_zone.main.zone_id
      name    = each.value.resource_record_name
      type    = each.value.resource_record_type
      records = [each.value.resource_record_value]
      ttl     = 60
    }
    resource "aws_acm_certificate_validation" "main" {
      certificate_arn         = aws_acm_certificate.main.arn
      validation_record_fqdns = [for each in aws_route53_record.proof : each.fqdn]
    }
    resource "aws_lb_listener" "https" {
      load_balancer_arn = aws_lb.main.arn
      port              = 443
      protocol          = "HTTPS"
      ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
      certificate_arn   = aws_acm_certificate_validation.main.certificate_arn
      default_action {
        type             = "forward"
        target_group_arn = aws_lb_target_group.main.arn
      }
    }
"""


class Terraform:
    def __init__(self, folder):
        self.folder = folder
        self.environment = {**os.environ, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}

    def run(self, command, *options, expect=(0,)):
        done = subprocess.run(
            ["terraform", command, "-no-color", *options],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip
        assert done.returncode in expect, f"{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture
def terraform(kunren, account, tmp_path):
    plugins = os.environ.get("KUNREN_TERRAFORM_PLUGINS")
    if shutil.which("terraform") is None or not plugins:
        pytest.skip("needs terraform, and KUNREN_TERRAFORM_PLUGINS to name a folder with its AWS provider")
    text = CONFIGURATION.replace("URL", f"http://127.0.0.1:{kunren.port}").replace("ACCOUNT", account)
    (tmp_path / "main.tf").write_text(textwrap.dedent(text.replace("DOMAIN", f"t{account}.test")))
    made = Terraform(tmp_path)
    made.run("init", f"-plugin-dir={plugins}")
    return made


@pytest.mark.timeout(300)
def test_terraform_applies_changes_and_destroys_a_site(kunren, account, terraform, until):
    domain = f"t{account}.test"
    terraform.run("apply", "-auto-approve", "-var=body=first")
    elb = kunren.client("elbv2", account)
    name = elb.describe_load_balancers()["LoadBalancers"][0]["DNSName"]
    assert kunren.exec("curl", "-sS", f"http://{name}/", place="tokyo").stdout == "first"
    moved = kunren.exec("curl", "-sSI", f"http://{name}/old/page?a=b", place="tokyo").stdout.lower()
    assert moved.startswith("http/1.1 301")
    assert "location: http://new.test:80/old/page?a=b" in moved
    code = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{ssl_verify_result}")
    there = ("--connect-to", f"{domain}:443:{name}:443", f"https://{domain}/")
    assert kunren.exec(*code, *there, place="london").stdout == "503 0"  # no targets, and a certificate that verifies
    # what is there is what was asked for: a second plan has nothing to do
    terraform.run("plan", "-detailed-exitcode", "-var=body=first")

    terraform.run("apply", "-auto-approve", "-var=body=second")
    until(lambda: kunren.exec("curl", "-sS", f"http://{name}/").stdout == "second", "the changed answer", 5)
    terraform.run("destroy", "-auto-approve", "-var=body=second")
    assert elb.describe_load_balancers()["LoadBalancers"] == []
    assert kunren.client("route53", account).list_hosted_zones()["HostedZones"] == []
    assert kunren.client("acm", account).list_certificates()["CertificateSummaryList"] == []
