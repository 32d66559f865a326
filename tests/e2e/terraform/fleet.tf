# A cluster on instances: a group of them, mixed and refreshed, a capacity provider, and a service on it.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "page" {
  type    = string
  default = "first"
}

variable "tier" {
  type    = string
  default = "one"
}

variable "target" {
  type    = number
  default = 70
}

variable "arm" {
  type = bool
}

locals {
  types = var.arm ? ["t4g.small", "t4g.medium"] : ["t3.small", "t3.medium"]
}

data "aws_ssm_parameter" "image" {
  name = "/aws/service/ecs/optimized-ami/amazon-linux-2023${var.arm ? "/arm64" : ""}/recommended/image_id"
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
    name   = "availability-zone"
    values = ["us-east-1a", "us-east-1b"]
  }
}

resource "aws_iam_role" "instances" {
  name = "instances"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "instances" {
  role       = aws_iam_role.instances.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "instances" {
  name = "instances"
  role = aws_iam_role.instances.name
}

resource "aws_security_group" "fleet" {
  name   = "fleet"
  vpc_id = data.aws_vpc.default.id
  ingress {
    from_port   = 0
    to_port     = 65535
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_launch_template" "fleet" {
  name_prefix            = "fleet-"
  image_id               = data.aws_ssm_parameter.image.value
  instance_type          = local.types[0]
  vpc_security_group_ids = [aws_security_group.fleet.id]
  update_default_version = true
  iam_instance_profile {
    arn = aws_iam_instance_profile.instances.arn
  }
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
  }
  monitoring {
    enabled = true
  }
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = 30
      volume_type = "gp3"
    }
  }
  tag_specifications {
    resource_type = "instance"
    tags          = { Tier = var.tier }
  }
  user_data = base64encode(<<-END
    #!/bin/bash
    echo ECS_CLUSTER=${aws_ecs_cluster.main.name} >> /etc/ecs/ecs.config
  END
  )
}

resource "aws_autoscaling_group" "fleet" {
  name_prefix               = "fleet-"
  min_size                  = 1
  max_size                  = 4
  vpc_zone_identifier       = data.aws_subnets.default.ids
  health_check_type         = "EC2"
  health_check_grace_period = 30
  default_cooldown          = 60
  default_instance_warmup   = 30
  capacity_rebalance        = true
  protect_from_scale_in     = true
  termination_policies      = ["OldestLaunchTemplate", "Default"]
  enabled_metrics           = ["GroupDesiredCapacity", "GroupInServiceInstances"]
  max_instance_lifetime     = 2592000
  force_delete              = true

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 1
      on_demand_percentage_above_base_capacity = 50
      spot_allocation_strategy                 = "price-capacity-optimized"
    }
    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.fleet.id
        version            = aws_launch_template.fleet.latest_version
      }
      dynamic "override" {
        for_each = local.types
        content {
          instance_type     = override.value
          weighted_capacity = "1"
        }
      }
    }
  }
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage       = 100
      max_healthy_percentage       = 200
      instance_warmup              = "10"
      skip_matching                = true
      scale_in_protected_instances = "Refresh"
    }
    triggers = ["tag"]
  }
  tag {
    key                 = "AmazonECSManaged"
    value               = ""
    propagate_at_launch = true
  }
  tag {
    key                 = "Name"
    value               = "fleet"
    propagate_at_launch = true
  }
  availability_zone_distribution {
    capacity_distribution_strategy = var.target == 70 ? "balanced-only" : "balanced-best-effort"
  }
  timeouts {
    delete = "10m"
  }
  lifecycle {
    ignore_changes = [desired_capacity]
  }
}

resource "aws_autoscaling_policy" "cpu" {
  name                      = "cpu"
  autoscaling_group_name    = aws_autoscaling_group.fleet.name
  policy_type               = "TargetTrackingScaling"
  estimated_instance_warmup = 60
  target_tracking_configuration {
    target_value     = var.target
    disable_scale_in = true
    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}

resource "aws_autoscaling_policy" "steps" {
  name                    = "steps"
  autoscaling_group_name  = aws_autoscaling_group.fleet.name
  policy_type             = "StepScaling"
  adjustment_type         = "ChangeInCapacity"
  metric_aggregation_type = "Average"
  step_adjustment {
    metric_interval_lower_bound = 0
    metric_interval_upper_bound = 10
    scaling_adjustment          = 1
  }
  step_adjustment {
    metric_interval_lower_bound = 10
    scaling_adjustment          = var.target == 70 ? 2 : 3
  }
}

resource "aws_autoscaling_policy" "simple" {
  name                   = "simple"
  autoscaling_group_name = aws_autoscaling_group.fleet.name
  adjustment_type        = "PercentChangeInCapacity"
  scaling_adjustment     = -10
  cooldown               = var.target
}

resource "aws_cloudwatch_metric_alarm" "busy" {
  alarm_name          = "busy"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 2
  metric_name         = "CPUReservation"
  namespace           = "AWS/ECS"
  period              = 60
  statistic           = "Average"
  threshold           = 90
  treat_missing_data  = "notBreaching"
  dimensions          = { ClusterName = aws_ecs_cluster.main.name }
  alarm_actions       = [aws_autoscaling_policy.steps.arn]
}

resource "aws_autoscaling_lifecycle_hook" "leave" {
  name                   = "leave"
  autoscaling_group_name = aws_autoscaling_group.fleet.name
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_TERMINATING"
  heartbeat_timeout      = var.target
  default_result         = "CONTINUE"
  notification_metadata  = jsonencode({ why = "drain" })
}

resource "aws_autoscaling_schedule" "night" {
  scheduled_action_name  = "night"
  autoscaling_group_name = aws_autoscaling_group.fleet.name
  min_size               = 1
  max_size               = 2
  desired_capacity       = -1
  recurrence             = "0 22 31 12 *"
  time_zone              = "Europe/Berlin"
}

resource "aws_sns_topic" "fleet" {
  name = "fleet"
}

resource "aws_autoscaling_notification" "fleet" {
  group_names   = [aws_autoscaling_group.fleet.name]
  notifications = ["autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"]
  topic_arn     = aws_sns_topic.fleet.arn
}

resource "aws_ecs_cluster" "main" {
  name = "fleet"
}

resource "aws_ecs_capacity_provider" "fleet" {
  name = "own"
  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.fleet.arn
    managed_termination_protection = "ENABLED"
    managed_draining               = "ENABLED"
    managed_scaling {
      status                    = "ENABLED"
      target_capacity           = var.target == 70 ? 100 : 90
      minimum_scaling_step_size = 1
      maximum_scaling_step_size = 2
      instance_warmup_period    = 30
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "main" {
  cluster_name       = aws_ecs_cluster.main.name
  capacity_providers = [aws_ecs_capacity_provider.fleet.name]
  default_capacity_provider_strategy {
    capacity_provider = aws_ecs_capacity_provider.fleet.name
    weight            = 1
  }
}

resource "aws_ecs_task_definition" "web" {
  for_each                 = toset(["provided", "direct"])
  family                   = each.key
  network_mode             = "bridge"
  requires_compatibilities = ["EC2"]
  container_definitions = jsonencode([{
    name         = "web"
    image        = "public.ecr.aws/docker/library/python:3"
    cpu          = 128
    memory       = 128
    essential    = true
    command      = ["sh", "-c", "cd /srv && echo ${each.key} ${var.page} > index.html && exec python3 -m http.server 80"]
    portMappings = [{ containerPort = 80, hostPort = 0 }]
    stopTimeout  = 2
  }])
}

resource "aws_lb" "web" {
  name            = "fleet"
  subnets         = data.aws_subnets.default.ids
  security_groups = [aws_security_group.fleet.id]
}

resource "aws_lb_target_group" "web" {
  for_each             = aws_ecs_task_definition.web
  name                 = each.key
  port                 = 80
  protocol             = "HTTP"
  vpc_id               = data.aws_vpc.default.id
  deregistration_delay = 20
  health_check {
    interval          = 10
    timeout           = 9
    healthy_threshold = 2
  }
}

resource "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.web.arn
  port              = 80
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web["provided"].arn
  }
}

resource "aws_lb_listener_rule" "direct" {
  listener_arn = aws_lb_listener.web.arn
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web["direct"].arn
  }
  condition {
    query_string {
      key   = "to"
      value = "direct"
    }
  }
}

resource "aws_ecs_service" "provided" {
  name            = "provided"
  cluster         = aws_ecs_cluster.main.id
  task_definition = aws_ecs_task_definition.web["provided"].arn
  desired_count   = 2
  capacity_provider_strategy {
    capacity_provider = aws_ecs_capacity_provider.fleet.name
    weight            = 1
  }
  ordered_placement_strategy {
    type  = "spread"
    field = "attribute:ecs.availability-zone"
  }
  ordered_placement_strategy {
    type  = "binpack"
    field = "memory"
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.web["provided"].arn
    container_name   = "web"
    container_port   = 80
  }
  wait_for_steady_state = true
  depends_on            = [aws_lb_listener.web, aws_ecs_cluster_capacity_providers.main]
}

resource "aws_ecs_service" "direct" {
  name                = "direct"
  cluster             = aws_ecs_cluster.main.id
  task_definition     = aws_ecs_task_definition.web["direct"].arn
  launch_type         = "EC2"
  scheduling_strategy = "DAEMON"
  placement_constraints {
    type       = "memberOf"
    expression = "attribute:ecs.os-type == linux"
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.web["direct"].arn
    container_name   = "web"
    container_port   = 80
  }
  force_delete = true
  depends_on   = [aws_lb_listener_rule.direct, aws_ecs_cluster_capacity_providers.main]
}

data "aws_autoscaling_group" "fleet" {
  name = aws_autoscaling_group.fleet.name
}

output "balancer" {
  value = aws_lb.web.dns_name
}

output "group" {
  value = data.aws_autoscaling_group.fleet.name
}
