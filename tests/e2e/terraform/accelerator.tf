# One pair of addresses before load balancers in two regions, with a dial, a port override and an Elastic IP; names that
# lead there, and away from it when its health check fails. Another pair whose ports stand for addresses of a subnet.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

provider "aws" {
  alias  = "europe"
  region = "eu-west-1"
}

variable "domain" { type = string }
variable "dial" {
  type    = number
  default = 100
}
variable "checked_path" {
  type    = string
  default = "/"
}

data "aws_vpc" "america" { default = true }
data "aws_subnets" "america" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.america.id]
  }
}
data "aws_vpc" "europe" {
  provider = aws.europe
  default  = true
}
data "aws_subnets" "europe" {
  provider = aws.europe
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.europe.id]
  }
}

resource "aws_security_group" "america" {
  name   = "open"
  vpc_id = data.aws_vpc.america.id
  ingress {
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "europe" {
  provider = aws.europe
  name     = "open"
  vpc_id   = data.aws_vpc.europe.id
  ingress {
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "america" {
  name               = "america"
  load_balancer_type = "application"
  security_groups    = [aws_security_group.america.id]
  subnets            = slice(sort(data.aws_subnets.america.ids), 0, 2)
}

resource "aws_lb" "europe" {
  provider           = aws.europe
  name               = "europe"
  load_balancer_type = "application"
  security_groups    = [aws_security_group.europe.id]
  subnets            = slice(sort(data.aws_subnets.europe.ids), 0, 2)
}

resource "aws_lb_listener" "america" {
  load_balancer_arn = aws_lb.america.arn
  port              = 80
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "america"
      status_code  = "200"
    }
  }
}

resource "aws_lb_listener_rule" "gone" {
  listener_arn = aws_lb_listener.america.arn
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      status_code  = "503"
    }
  }
  condition {
    path_pattern { values = ["/gone"] }
  }
}

resource "aws_lb_listener" "europe" {
  provider          = aws.europe
  load_balancer_arn = aws_lb.europe.arn
  port              = 80
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "europe"
      status_code  = "200"
    }
  }
}

resource "aws_globalaccelerator_accelerator" "main" {
  name            = "front"
  ip_address_type = "IPV4"
  enabled         = true
  attributes {
    flow_logs_enabled = false
  }
  tags = { Team = "edge" }
}

resource "aws_globalaccelerator_listener" "web" {
  accelerator_arn = aws_globalaccelerator_accelerator.main.arn
  client_affinity = "SOURCE_IP"
  protocol        = "TCP"
  port_range {
    from_port = 80
    to_port   = 80
  }
  port_range {
    from_port = 8000
    to_port   = 8080
  }
}

resource "aws_globalaccelerator_endpoint_group" "america" {
  listener_arn                  = aws_globalaccelerator_listener.web.arn
  endpoint_group_region         = "us-east-1"
  traffic_dial_percentage       = var.dial
  health_check_interval_seconds = 10
  threshold_count               = 2
  endpoint_configuration {
    endpoint_id                    = aws_lb.america.arn
    weight                         = 100
    client_ip_preservation_enabled = true
  }
  port_override {
    listener_port = 8080
    endpoint_port = 80
  }
}

resource "aws_globalaccelerator_endpoint_group" "europe" {
  listener_arn          = aws_globalaccelerator_listener.web.arn
  endpoint_group_region = "eu-west-1"
  endpoint_configuration {
    endpoint_id                    = aws_lb.europe.arn
    weight                         = 50
    client_ip_preservation_enabled = false
  }
  port_override {
    listener_port = 8080
    endpoint_port = 80
  }
}

resource "aws_globalaccelerator_listener" "datagrams" {
  accelerator_arn = aws_globalaccelerator_accelerator.main.arn
  protocol        = "UDP"
  port_range {
    from_port = 53
    to_port   = 53
  }
}

resource "aws_eip" "endpoint" {
  domain = "vpc"
}

resource "aws_globalaccelerator_endpoint_group" "datagrams" {
  listener_arn                  = aws_globalaccelerator_listener.datagrams.arn
  endpoint_group_region         = "us-east-1"
  health_check_protocol         = "HTTP"
  health_check_path             = "/up"
  health_check_port             = 80
  health_check_interval_seconds = 10
  endpoint_configuration {
    endpoint_id = aws_eip.endpoint.id
    weight      = 10
  }
}

resource "aws_globalaccelerator_custom_routing_accelerator" "games" {
  name            = "games"
  ip_address_type = "IPV4"
  enabled         = true
}

resource "aws_globalaccelerator_custom_routing_listener" "games" {
  accelerator_arn = aws_globalaccelerator_custom_routing_accelerator.games.id
  port_range {
    from_port = 10000
    to_port   = 14200
  }
}

resource "aws_globalaccelerator_custom_routing_endpoint_group" "games" {
  listener_arn          = aws_globalaccelerator_custom_routing_listener.games.id
  endpoint_group_region = "us-east-1"
  destination_configuration {
    from_port = 81
    to_port   = 81
    protocols = ["TCP", "UDP"]
  }
  endpoint_configuration {
    endpoint_id = sort(data.aws_subnets.america.ids)[0] # in a VPC that stays, as the security group there does
  }
}

resource "aws_route53_zone" "main" {
  name = var.domain
}

resource "aws_route53_health_check" "front" {
  type              = "HTTP"
  ip_address        = aws_globalaccelerator_accelerator.main.ip_sets[0].ip_addresses[0]
  fqdn              = "app.${var.domain}"
  port              = 80
  resource_path     = var.checked_path
  request_interval  = 10
  failure_threshold = 1
}

resource "aws_route53_record" "primary" {
  zone_id         = aws_route53_zone.main.zone_id
  name            = "app.${var.domain}"
  type            = "A"
  set_identifier  = "primary"
  health_check_id = aws_route53_health_check.front.id
  failover_routing_policy {
    type = "PRIMARY"
  }
  alias {
    name                   = aws_globalaccelerator_accelerator.main.dns_name
    zone_id                = aws_globalaccelerator_accelerator.main.hosted_zone_id
    evaluate_target_health = false
  }
}

resource "aws_route53_record" "secondary" {
  zone_id        = aws_route53_zone.main.zone_id
  name           = "app.${var.domain}"
  type           = "A"
  set_identifier = "secondary"
  failover_routing_policy {
    type = "SECONDARY"
  }
  alias {
    name                   = aws_lb.europe.dns_name
    zone_id                = aws_lb.europe.zone_id
    evaluate_target_health = true
  }
}

data "aws_globalaccelerator_accelerator" "read" {
  arn = aws_globalaccelerator_accelerator.main.id
}

output "arn" { value = aws_globalaccelerator_accelerator.main.arn }
output "addresses" { value = aws_globalaccelerator_accelerator.main.ip_sets[0].ip_addresses }
output "name" { value = aws_globalaccelerator_accelerator.main.dns_name }
output "read" { value = data.aws_globalaccelerator_accelerator.read.dns_name }
output "europe" { value = aws_lb.europe.dns_name }
