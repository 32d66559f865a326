# Health checks of every kind that a record may follow, and a name with a primary and a secondary.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "domain" { type = string }
variable "threshold" {
  type    = number
  default = 1
}

resource "aws_route53_zone" "main" {
  name = var.domain
}

# Nobody has this address, so this check fails.
resource "aws_route53_health_check" "dead" {
  type              = "TCP"
  ip_address        = "198.19.7.240"
  port              = 443
  request_interval  = 10
  failure_threshold = 1
  regions           = ["us-east-1", "eu-west-1", "ap-southeast-2"]
  tags              = { Name = "dead" }
}

resource "aws_route53_health_check" "searching" {
  type               = "HTTPS_STR_MATCH"
  fqdn               = "www.${var.domain}"
  port               = 8443
  resource_path      = "/status?full=1"
  search_string      = "all is well"
  request_interval   = 30
  failure_threshold  = 5
  measure_latency    = true
  disabled           = true
  invert_healthcheck = false
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "errors"
  namespace           = "App"
  metric_name         = "Errors"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 5
  comparison_operator = "GreaterThanThreshold"
}

resource "aws_route53_health_check" "alarm" {
  type                            = "CLOUDWATCH_METRIC"
  cloudwatch_alarm_name           = aws_cloudwatch_metric_alarm.errors.alarm_name
  cloudwatch_alarm_region         = "us-east-1"
  insufficient_data_health_status = "Healthy"
}

# The dead one is ill, the others are well: two of three.
resource "aws_route53_health_check" "primary" {
  type                   = "CALCULATED"
  child_health_threshold = var.threshold
  child_healthchecks = [
    aws_route53_health_check.dead.id,
    aws_route53_health_check.searching.id,
    aws_route53_health_check.alarm.id,
  ]
}

resource "aws_route53_record" "primary" {
  zone_id         = aws_route53_zone.main.zone_id
  name            = "app.${var.domain}"
  type            = "A"
  ttl             = 5
  records         = ["198.19.0.10"]
  set_identifier  = "primary"
  health_check_id = aws_route53_health_check.primary.id
  failover_routing_policy {
    type = "PRIMARY"
  }
}

resource "aws_route53_record" "secondary" {
  zone_id        = aws_route53_zone.main.zone_id
  name           = "app.${var.domain}"
  type           = "A"
  ttl            = 5
  records        = ["198.19.0.20"]
  set_identifier = "secondary"
  failover_routing_policy {
    type = "SECONDARY"
  }
}
