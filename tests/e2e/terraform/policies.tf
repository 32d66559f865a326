# Every routing policy of Route 53, a CIDR collection, a traffic policy with an instance, and query logs.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "domain" { type = string }
variable "europe" {
  type    = string
  default = "198.19.0.12"
}

locals {
  regions = { us-east-1 = "198.19.0.11", eu-west-2 = var.europe, ap-northeast-1 = "198.19.0.13" }
}

resource "aws_route53_zone" "main" {
  name = var.domain
}

resource "aws_route53_record" "latency" {
  for_each       = local.regions
  zone_id        = aws_route53_zone.main.zone_id
  name           = "latency.${var.domain}"
  type           = "A"
  ttl            = 1
  records        = [each.value]
  set_identifier = each.key
  latency_routing_policy {
    region = each.key
  }
}

resource "aws_route53_record" "geo" {
  for_each       = { JP = "198.19.0.13", "*" = "198.19.0.11" }
  zone_id        = aws_route53_zone.main.zone_id
  name           = "geo.${var.domain}"
  type           = "A"
  ttl            = 1
  records        = [each.value]
  set_identifier = each.key
  geolocation_routing_policy {
    country = each.key
  }
}

resource "aws_route53_record" "near" {
  zone_id        = aws_route53_zone.main.zone_id
  name           = "near.${var.domain}"
  type           = "A"
  set_identifier = "paris"
  alias {
    name                   = aws_route53_record.latency["eu-west-2"].name
    zone_id                = aws_route53_zone.main.zone_id
    evaluate_target_health = true
  }
  geoproximity_routing_policy {
    bias = 10
    coordinates {
      latitude  = "48.86"
      longitude = "2.35"
    }
  }
}

resource "aws_route53_record" "several" {
  count                            = 3
  zone_id                          = aws_route53_zone.main.zone_id
  name                             = "several.${var.domain}"
  type                             = "A"
  ttl                              = 1
  records                          = ["198.19.0.${20 + count.index}"]
  set_identifier                   = tostring(count.index)
  multivalue_answer_routing_policy = true
}

resource "aws_route53_cidr_collection" "offices" {
  name = "offices"
}

resource "aws_route53_cidr_location" "tokyo" {
  cidr_collection_id = aws_route53_cidr_collection.offices.id
  name               = "tokyo"
  cidr_blocks        = ["198.18.65.0/24"]
}

resource "aws_route53_record" "office" {
  for_each       = { (aws_route53_cidr_location.tokyo.name) = "198.19.0.13", "*" = "198.19.0.11" }
  zone_id        = aws_route53_zone.main.zone_id
  name           = "office.${var.domain}"
  type           = "A"
  ttl            = 1
  records        = [each.value]
  set_identifier = each.key
  cidr_routing_policy {
    collection_id = aws_route53_cidr_collection.offices.id
    location_name = each.key
  }
}

resource "aws_route53_traffic_policy" "split" {
  name = "split"
  document = jsonencode({
    AWSPolicyFormatVersion = "2015-10-01"
    RecordType             = "A"
    StartRule              = "top"
    Endpoints              = { europe = { Type = "value", Value = "198.19.0.12" } }
    Rules                  = { top = { RuleType = "latency", Regions = [{ Region = "eu-west-2", EndpointReference = "europe" }] } }
  })
}

resource "aws_route53_traffic_policy_instance" "flow" {
  name                   = "flow.${var.domain}"
  traffic_policy_id      = aws_route53_traffic_policy.split.id
  traffic_policy_version = aws_route53_traffic_policy.split.version
  hosted_zone_id         = aws_route53_zone.main.zone_id
  ttl                    = 1
}

resource "aws_cloudwatch_log_group" "questions" {
  name = "/aws/route53/${var.domain}"
}

resource "aws_cloudwatch_log_resource_policy" "dns" {
  policy_name = "dns"
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "route53.amazonaws.com" }
      Action    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource  = "arn:aws:logs:*:*:log-group:/aws/route53/*"
    }]
  })
}

resource "aws_route53_query_log" "main" {
  depends_on               = [aws_cloudwatch_log_resource_policy.dns]
  cloudwatch_log_group_arn = aws_cloudwatch_log_group.questions.arn
  zone_id                  = aws_route53_zone.main.zone_id
}
