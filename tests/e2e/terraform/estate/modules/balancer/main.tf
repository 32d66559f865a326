# Load balancers in the shape of the community's module: listeners, rules and target groups from maps.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "name" { type = string }
variable "load_balancer_type" {
  type    = string
  default = "application"
}
variable "vpc_id" { type = string }
variable "subnets" { type = list(string) }
variable "listeners" { type = any }
variable "target_groups" { type = any }
variable "certificates" {
  type    = map(string)
  default = {}
}
variable "ingress" {
  type    = map(object({ from_port = number, to_port = number, cidr_ipv4 = string }))
  default = {}
}

locals {
  application = var.load_balancer_type == "application"
  rules = merge([
    for listener, settings in var.listeners : {
      for rule, each in try(settings.rules, {}) : "${listener}/${rule}" => merge(each, { listener = listener })
    }
  ]...)
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "Security group of ${var.name}"
  vpc_id      = var.vpc_id
  lifecycle { create_before_destroy = true }
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each          = var.ingress
  security_group_id = aws_security_group.this.id
  ip_protocol       = "tcp"
  from_port         = each.value.from_port
  to_port           = each.value.to_port
  cidr_ipv4         = each.value.cidr_ipv4
  tags              = { Name = each.key }
}

resource "aws_vpc_security_group_egress_rule" "this" {
  security_group_id = aws_security_group.this.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_lb" "this" {
  name                             = var.name
  load_balancer_type               = var.load_balancer_type
  subnets                          = var.subnets
  security_groups                  = [aws_security_group.this.id]
  enable_cross_zone_load_balancing = true
  drop_invalid_header_fields       = local.application ? true : null
}

resource "aws_lb_target_group" "this" {
  for_each    = var.target_groups
  name        = "${var.name}-${each.key}"
  target_type = each.value.target_type
  vpc_id      = each.value.target_type == "lambda" ? null : var.vpc_id
  port        = try(each.value.port, null)
  protocol    = try(each.value.protocol, null)
  dynamic "health_check" {
    for_each = try([each.value.health_check], [])
    content {
      protocol            = try(health_check.value.protocol, null)
      path                = try(health_check.value.path, null)
      interval            = 5
      timeout             = 2
      healthy_threshold   = 2
      unhealthy_threshold = 2
      matcher             = try(health_check.value.matcher, null)
    }
  }
}

resource "aws_lb_target_group_attachment" "this" {
  for_each         = { for name, each in var.target_groups : name => each if try(each.attach, true) }
  target_group_arn = aws_lb_target_group.this[each.key].arn
  target_id        = each.value.target_id
  port             = each.value.target_type == "lambda" ? null : each.value.port
}

resource "aws_lb_listener" "this" {
  for_each          = var.listeners
  load_balancer_arn = aws_lb.this.arn
  port              = each.value.port
  protocol          = each.value.protocol
  certificate_arn   = try(each.value.certificate_arn, null)
  ssl_policy        = contains(["HTTPS", "TLS"], each.value.protocol) ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : null

  dynamic "default_action" {
    for_each = try([each.value.redirect], [])
    content {
      type = "redirect"
      redirect {
        port        = default_action.value.port
        protocol    = default_action.value.protocol
        status_code = default_action.value.status_code
      }
    }
  }
  dynamic "default_action" {
    for_each = try([each.value.forward], [])
    content {
      type             = "forward"
      target_group_arn = aws_lb_target_group.this[default_action.value].arn
    }
  }
  dynamic "default_action" {
    for_each = try([each.value.fixed_response], [])
    content {
      type = "fixed-response"
      fixed_response {
        content_type = "text/plain"
        message_body = default_action.value.body
        status_code  = default_action.value.status_code
      }
    }
  }
  depends_on = [aws_lb_target_group_attachment.this]
}

resource "aws_lb_listener_certificate" "this" {
  for_each        = toset(flatten([for listener, settings in var.listeners : [for name in try(settings.additional_names, []) : "${listener}/${name}"]]))
  listener_arn    = aws_lb_listener.this[split("/", each.key)[0]].arn
  certificate_arn = var.certificates[split("/", each.key)[1]]
}

resource "aws_lb_listener_rule" "this" {
  for_each     = local.rules
  listener_arn = aws_lb_listener.this[each.value.listener].arn
  priority     = each.value.priority
  dynamic "action" {
    for_each = each.value.actions
    content {
      type             = action.value.type
      target_group_arn = try(aws_lb_target_group.this[action.value.target_group].arn, null)
      dynamic "redirect" {
        for_each = try([action.value.redirect], [])
        content {
          host        = try(redirect.value.host, null)
          path        = try(redirect.value.path, null)
          status_code = redirect.value.status_code
        }
      }
    }
  }
  dynamic "condition" {
    for_each = { for name, values in each.value.conditions : name => values if name == "host_header" }
    content {
      host_header { values = condition.value }
    }
  }
  dynamic "condition" {
    for_each = { for name, values in each.value.conditions : name => values if name == "path_pattern" }
    content {
      path_pattern { values = condition.value }
    }
  }
}

output "arn" {
  value      = aws_lb.this.arn
  depends_on = [aws_lb_listener.this] # who stands before it needs its listeners
}
output "dns_name" { value = aws_lb.this.dns_name }
output "zone_id" { value = aws_lb.this.zone_id }
output "security_group" { value = aws_security_group.this.id }
output "listeners" { value = { for name, listener in aws_lb_listener.this : name => listener.arn } }
output "target_groups" { value = { for name, group in aws_lb_target_group.this : name => group.arn } }
