# A site behind an Application Load Balancer: names, a validated certificate, HTTP and HTTPS, rules, targets.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "domain" { type = string }
variable "body" {
  type    = string
  default = "first"
}
variable "blue_weight" {
  type    = number
  default = 100
}

data "aws_vpc" "default" {
  default = true
}

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
  filter {
    name   = "default-for-az"
    values = ["true"]
  }
}

resource "aws_security_group" "front" {
  name   = "front"
  vpc_id = data.aws_vpc.default.id
  dynamic "ingress" {
    for_each = [80, 443]
    content {
      from_port   = ingress.value
      to_port     = ingress.value
      protocol    = "tcp"
      cidr_blocks = ["0.0.0.0/0"]
    }
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "main" {
  name               = "site"
  load_balancer_type = "application"
  subnets            = slice(sort(data.aws_subnets.default.ids), 0, 2)
  security_groups    = [aws_security_group.front.id]
  idle_timeout       = 30
}

resource "aws_lb_target_group" "color" {
  for_each             = toset(["blue", "green"])
  name                 = "site-${each.key}"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = data.aws_vpc.default.id
  deregistration_delay = 5
  health_check {
    path                = "/"
    interval            = 5
    timeout             = 2
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
  stickiness {
    type    = "lb_cookie"
    enabled = false
  }
}

resource "aws_lb_target_group" "sticky" {
  name     = "site-sticky"
  port     = 80
  protocol = "HTTP"
  vpc_id   = data.aws_vpc.default.id
  stickiness {
    type        = "app_cookie"
    cookie_name = "session"
    enabled     = true
  }
  slow_start = 60
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  port              = 80
  default_action {
    type = "redirect"
    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.main.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate_validation.main.certificate_arn
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = var.body
      status_code  = "200"
    }
  }
}

resource "aws_lb_listener_rule" "colors" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10
  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.color["blue"].arn
        weight = var.blue_weight
      }
      target_group {
        arn    = aws_lb_target_group.color["green"].arn
        weight = 100 - var.blue_weight
      }
    }
  }
  condition {
    path_pattern { values = ["/color", "/color/*"] }
  }
  condition {
    http_request_method { values = ["GET", "HEAD"] }
  }
}

resource "aws_lb_listener_rule" "old" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 20
  action {
    type = "redirect"
    redirect {
      host        = "new.test"
      path        = "/#{path}"
      query       = "#{query}"
      status_code = "HTTP_302"
    }
  }
  condition {
    host_header { values = ["old.${var.domain}"] }
  }
  tags = { Name = "old" }
}

resource "aws_lb_listener_rule" "queried" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 30
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "application/json"
      message_body = "{\"maintenance\": true}"
      status_code  = "503"
    }
  }
  condition {
    query_string {
      key   = "maintenance"
      value = "yes"
    }
  }
  condition {
    http_header {
      http_header_name = "X-Team"
      values           = ["ops*"]
    }
  }
  condition {
    source_ip { values = ["0.0.0.0/0"] }
  }
}

resource "aws_acm_certificate" "main" {
  domain_name               = var.domain
  subject_alternative_names = ["*.${var.domain}"]
  validation_method         = "DNS"
  lifecycle { create_before_destroy = true }
}

resource "aws_route53_zone" "main" {
  name = var.domain
}

resource "aws_route53_record" "proof" {
  for_each = {
    for option in aws_acm_certificate.main.domain_validation_options : option.domain_name => {
      name = option.resource_record_name, type = option.resource_record_type, value = option.resource_record_value
    }
  }
  allow_overwrite = true
  zone_id         = aws_route53_zone.main.zone_id
  name            = each.value.name
  type            = each.value.type
  records         = [each.value.value]
  ttl             = 60
}

resource "aws_acm_certificate_validation" "main" {
  certificate_arn         = aws_acm_certificate.main.arn
  validation_record_fqdns = [for record in aws_route53_record.proof : record.fqdn]
}

resource "aws_route53_record" "site" {
  for_each = toset(["", "old."])
  zone_id  = aws_route53_zone.main.zone_id
  name     = "${each.key}${var.domain}"
  type     = "A"
  alias {
    name                   = aws_lb.main.dns_name
    zone_id                = aws_lb.main.zone_id
    evaluate_target_health = true
  }
}

resource "aws_route53_record" "weighted" {
  for_each       = { first = 90, second = 10 }
  zone_id        = aws_route53_zone.main.zone_id
  name           = "weighted.${var.domain}"
  type           = "TXT"
  ttl            = 60
  set_identifier = each.key
  records        = [each.key]
  weighted_routing_policy { weight = each.value }
}

output "balancer" { value = aws_lb.main.dns_name }
output "groups" { value = { for color, group in aws_lb_target_group.color : color => group.arn } }
output "subnet" { value = sort(data.aws_subnets.default.ids)[0] }
