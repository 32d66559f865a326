# Instances as most people have them: by an AMI that is looked up, by a launch template, behind a load balancer.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
  default_tags {
    tags = { Project = "drill" }
  }
}

variable "body" {
  type    = string
  default = "first"
}

variable "instance_type" {
  type = string
}


data "aws_ami" "linux" {
  owners      = ["amazon"]
  most_recent = true
  filter {
    name   = "name"
    values = ["kunren-*"]
  }
}

data "aws_availability_zones" "available" {
  state = "available"
}

data "aws_iam_policy_document" "ec2" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "web" {
  name               = "web"
  assume_role_policy = data.aws_iam_policy_document.ec2.json
}

resource "aws_iam_instance_profile" "web" {
  name = "web"
  role = aws_iam_role.web.name
}

resource "aws_key_pair" "me" {
  key_name   = "me"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2pkJlU2a8cIJFYKoWcG5ygLCd1IPAcUoVJxE9QFs8A me"
}

resource "aws_default_vpc" "main" {}

resource "aws_default_subnet" "zones" {
  count             = 2
  availability_zone = data.aws_availability_zones.available.names[count.index]
}

resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = aws_default_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "web" {
  security_group_id = aws_security_group.web.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.web.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

locals {
  boot = <<-END
    #!/bin/sh
    cd /srv
    echo "${var.body}" > index.html
    python3 -m http.server 80 &
  END
}

resource "aws_instance" "one" {
  ami                         = data.aws_ami.linux.id
  instance_type               = var.instance_type
  key_name                    = aws_key_pair.me.key_name
  subnet_id                   = aws_default_subnet.zones[0].id
  vpc_security_group_ids      = [aws_security_group.web.id]
  iam_instance_profile        = aws_iam_instance_profile.web.name
  user_data                   = local.boot
  user_data_replace_on_change = true
  metadata_options {
    http_tokens = "required"
  }
  root_block_device {
    volume_size = 10
    volume_type = "gp3"
    tags        = { Name = "root" }
  }
  tags = { Name = "one" }
}

resource "aws_launch_template" "web" {
  name                   = "web"
  image_id               = data.aws_ami.linux.id
  instance_type          = var.instance_type
  vpc_security_group_ids = [aws_security_group.web.id]
  update_default_version = true
  user_data              = base64encode(replace(local.boot, "echo \"${var.body}\"", "echo grouped"))
  tag_specifications {
    resource_type = "volume"
    tags          = { Name = "of-two" }
  }
}

resource "aws_instance" "two" {
  subnet_id = aws_default_subnet.zones[1].id
  user_data = replace(local.boot, "echo \"${var.body}\"", "echo template")
  launch_template {
    id      = aws_launch_template.web.id
    version = aws_launch_template.web.latest_version
  }
}

resource "aws_eip" "one" {
  instance = aws_instance.one.id
  domain   = "vpc"
}

resource "aws_lb" "web" {
  name            = "machines"
  subnets         = aws_default_subnet.zones[*].id
  security_groups = [aws_security_group.web.id]
}

resource "aws_lb_target_group" "web" {
  name     = "machines"
  port     = 80
  protocol = "HTTP"
  vpc_id   = aws_default_vpc.main.id
  health_check {
    interval          = 25
    timeout           = 24
    healthy_threshold = 2
  }
}

resource "aws_lb_target_group_attachment" "web" {
  for_each         = { one = aws_instance.one.id, two = aws_instance.two.id }
  target_group_arn = aws_lb_target_group.web.arn
  target_id        = each.value
}

resource "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.web.arn
  port              = 80
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_autoscaling_group" "web" {
  name                      = "web"
  min_size                  = 1
  max_size                  = 3
  desired_capacity          = var.body == "first" ? 1 : 2
  vpc_zone_identifier       = aws_default_subnet.zones[*].id
  target_group_arns         = [aws_lb_target_group.web.arn]
  health_check_type         = "ELB"
  health_check_grace_period = 120
  force_delete              = true
  launch_template {
    id      = aws_launch_template.web.id
    version = "$Latest"
  }
  initial_lifecycle_hook {
    name                 = "leave"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = 30
    default_result       = "CONTINUE"
  }
  tag {
    key                 = "Name"
    value               = "grouped"
    propagate_at_launch = true
  }
}

output "balancer" {
  value = aws_lb.web.dns_name
}

output "address" {
  value = aws_eip.one.public_ip
}

output "instances" {
  value = [aws_instance.one.id, aws_instance.two.id]
}
