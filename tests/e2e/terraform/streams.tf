# Connections instead of requests: a Network Load Balancer with TCP, UDP and TLS, one address per zone.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "listener_port" {
  type    = number
  default = 7000
}

variable "preserve" {
  type    = bool
  default = false
}

resource "aws_vpc" "main" {
  cidr_block = "10.50.0.0/16"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_route" "internet" {
  route_table_id         = aws_vpc.main.main_route_table_id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_subnet" "main" {
  count             = 2
  vpc_id            = aws_vpc.main.id
  cidr_block        = cidrsubnet(aws_vpc.main.cidr_block, 8, count.index)
  availability_zone = ["us-east-1a", "us-east-1b"][count.index]
}

resource "aws_eip" "zone" {
  count = 2
}

resource "aws_security_group" "open" {
  name   = "open"
  vpc_id = aws_vpc.main.id
  ingress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "main" {
  name                             = "streams"
  load_balancer_type               = "network"
  enable_cross_zone_load_balancing = true
  security_groups                  = [aws_security_group.open.id]
  dynamic "subnet_mapping" {
    for_each = [0, 1]
    content {
      subnet_id     = aws_subnet.main[subnet_mapping.value].id
      allocation_id = aws_eip.zone[subnet_mapping.value].id
    }
  }
  depends_on = [aws_route.internet]
}

resource "aws_lb_target_group" "tcp" {
  name                 = "streams-tcp"
  port                 = 9000
  protocol             = "TCP"
  target_type          = "ip"
  vpc_id               = aws_vpc.main.id
  preserve_client_ip   = var.preserve
  deregistration_delay = 5
  health_check {
    protocol            = "TCP"
    interval            = 5
    timeout             = 2
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
  lifecycle { create_before_destroy = true }
  connection_termination = true
}

resource "aws_lb_target_group" "udp" {
  name        = "streams-udp"
  port        = 9001
  protocol    = "UDP"
  target_type = "ip"
  vpc_id      = aws_vpc.main.id
  health_check {
    protocol          = "TCP"
    port              = "9000"
    interval          = 5
    timeout           = 2
    healthy_threshold = 2
  }
}

resource "aws_lb_target_group_attachment" "tcp" {
  target_group_arn = aws_lb_target_group.tcp.arn
  target_id        = "10.50.0.100"
  port             = 9000
}

resource "aws_lb_target_group_attachment" "udp" {
  target_group_arn = aws_lb_target_group.udp.arn
  target_id        = "10.50.0.100"
  port             = 9001
}

resource "aws_lb_listener" "tcp" {
  load_balancer_arn = aws_lb.main.arn
  port              = var.listener_port
  protocol          = "TCP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.tcp.arn
  }
}

resource "aws_lb_listener" "udp" {
  load_balancer_arn = aws_lb.main.arn
  port              = 7001
  protocol          = "UDP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.udp.arn
  }
}

output "balancer" { value = aws_lb.main.dns_name }
output "addresses" { value = aws_eip.zone[*].public_ip }
output "subnet" { value = aws_subnet.main[0].id }
output "security_group" { value = aws_security_group.open.id }
