# Applications of CodeDeploy on its three platforms, each with what it deploys to.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
  default_tags {
    tags = { Project = "shop" }
  }
}

variable "instance_type" {
  type = string
}

variable "share" {
  type    = number
  default = 50
}

variable "page" {
  type    = string
  default = "first"
}

variable "bucket" {
  type = string
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type = "Service"
      identifiers = [
        "codedeploy.amazonaws.com", "lambda.amazonaws.com", "ec2.amazonaws.com", "ecs-tasks.amazonaws.com",
      ]
    }
  }
}

resource "aws_iam_role" "main" {
  name               = "deploys"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy_attachment" "main" {
  for_each   = toset(["AWSCodeDeployRole", "AWSCodeDeployRoleForLambda"])
  role       = aws_iam_role.main.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/${each.key}"
}

resource "aws_sns_topic" "told" {
  name = "deployments"
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "errors"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  metric_name         = "Errors"
  namespace           = "AWS/Lambda"
  period              = 60
  statistic           = "Sum"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  dimensions          = { FunctionName = aws_lambda_function.shop.function_name }
}

# functions

resource "aws_lambda_function" "shop" {
  function_name    = "shop"
  role             = aws_iam_role.main.arn
  runtime          = "python3.11"
  handler          = "app.handler"
  filename         = "app.zip"
  source_code_hash = filebase64sha256("app.zip")
  publish          = true
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.shop.function_name
  function_version = "1"
  lifecycle {
    ignore_changes = [function_version, routing_config] # which CodeDeploy shifts
  }
}

resource "aws_codedeploy_app" "functions" {
  name             = "functions"
  compute_platform = "Lambda"
}

resource "aws_codedeploy_deployment_config" "half" {
  deployment_config_name = "half-${var.share}"
  compute_platform       = "Lambda"
  traffic_routing_config {
    type = "TimeBasedCanary"
    time_based_canary {
      interval   = 1
      percentage = var.share
    }
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_codedeploy_deployment_config" "steps" {
  deployment_config_name = "steps"
  compute_platform       = "ECS"
  traffic_routing_config {
    type = "TimeBasedLinear"
    time_based_linear {
      interval   = 1
      percentage = 50
    }
  }
}

resource "aws_codedeploy_deployment_group" "functions" {
  app_name               = aws_codedeploy_app.functions.name
  deployment_group_name  = "live"
  service_role_arn       = aws_iam_role.main.arn
  deployment_config_name = aws_codedeploy_deployment_config.half.id
  deployment_style {
    deployment_option = "WITH_TRAFFIC_CONTROL"
    deployment_type   = "BLUE_GREEN"
  }
  auto_rollback_configuration {
    enabled = true
    events  = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"]
  }
  alarm_configuration {
    enabled = true
    alarms  = [aws_cloudwatch_metric_alarm.errors.alarm_name]
  }
  trigger_configuration {
    trigger_name       = "ended"
    trigger_target_arn = aws_sns_topic.told.arn
    trigger_events     = ["DeploymentSuccess", "DeploymentFailure"]
  }
}

# a service

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

resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = data.aws_vpc.default.id
  ingress {
    from_port   = 80
    to_port     = 8080
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

resource "aws_lb" "web" {
  name            = "deploys"
  subnets         = data.aws_subnets.default.ids
  security_groups = [aws_security_group.web.id]
}

resource "aws_lb_target_group" "web" {
  for_each             = toset(["blue", "green"])
  name                 = "deploys-${each.key}"
  port                 = 80
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = data.aws_vpc.default.id
  deregistration_delay = 20
  health_check {
    interval          = 10
    timeout           = 9
    healthy_threshold = 2
  }
}

resource "aws_lb_listener" "web" {
  for_each          = { production = 80, test = 8080 }
  load_balancer_arn = aws_lb.web.arn
  port              = each.value
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web["blue"].arn
  }
  lifecycle {
    ignore_changes = [default_action] # which CodeDeploy shifts
  }
}

resource "aws_ecs_cluster" "main" {
  name = "deploys"
}

resource "aws_ecs_task_definition" "web" {
  family                   = "web"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 256
  memory                   = 512
  container_definitions = jsonencode([{
    name         = "web"
    image        = "public.ecr.aws/docker/library/python:3"
    essential    = true
    command      = ["sh", "-c", "cd /srv; echo $VERSION > index.html; exec python3 -m http.server 80"]
    environment  = [{ name = "VERSION", value = var.page }]
    portMappings = [{ containerPort = 80 }]
    stopTimeout  = 2
  }])
}

resource "aws_ecs_service" "web" {
  name            = "web"
  cluster         = aws_ecs_cluster.main.id
  task_definition = aws_ecs_task_definition.web.arn
  desired_count   = 1
  launch_type     = "FARGATE"
  deployment_controller {
    type = "CODE_DEPLOY"
  }
  network_configuration {
    subnets          = data.aws_subnets.default.ids
    security_groups  = [aws_security_group.web.id]
    assign_public_ip = true
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.web["blue"].arn
    container_name   = "web"
    container_port   = 80
  }
  lifecycle {
    ignore_changes = [task_definition, load_balancer]
  }
  depends_on = [aws_lb_listener.web]
}

resource "aws_codedeploy_app" "services" {
  name             = "services"
  compute_platform = "ECS"
}

resource "aws_codedeploy_deployment_group" "services" {
  app_name               = aws_codedeploy_app.services.name
  deployment_group_name  = "web"
  service_role_arn       = aws_iam_role.main.arn
  deployment_config_name = aws_codedeploy_deployment_config.steps.id
  deployment_style {
    deployment_option = "WITH_TRAFFIC_CONTROL"
    deployment_type   = "BLUE_GREEN"
  }
  blue_green_deployment_config {
    deployment_ready_option {
      action_on_timeout = "CONTINUE_DEPLOYMENT"
    }
    terminate_blue_instances_on_deployment_success {
      action                           = "TERMINATE"
      termination_wait_time_in_minutes = 1
    }
  }
  ecs_service {
    cluster_name = aws_ecs_cluster.main.name
    service_name = aws_ecs_service.web.name
  }
  load_balancer_info {
    target_group_pair_info {
      prod_traffic_route {
        listener_arns = [aws_lb_listener.web["production"].arn]
      }
      test_traffic_route {
        listener_arns = [aws_lb_listener.web["test"].arn]
      }
      target_group {
        name = aws_lb_target_group.web["blue"].name
      }
      target_group {
        name = aws_lb_target_group.web["green"].name
      }
    }
  }
}

# instances

data "aws_ami" "linux" {
  owners      = ["amazon"]
  most_recent = true
  filter {
    name   = "name"
    values = ["kunren-*"]
  }
}

resource "aws_iam_instance_profile" "web" {
  name = "deploys"
  role = aws_iam_role.main.name
}

resource "aws_s3_bucket" "revisions" {
  bucket        = var.bucket
  force_destroy = true
}

resource "aws_s3_object" "revision" {
  bucket = aws_s3_bucket.revisions.bucket
  key    = "web.zip"
  source = "revision.zip"
  etag   = filemd5("revision.zip")
}

resource "aws_instance" "web" {
  ami                         = data.aws_ami.linux.id
  instance_type               = var.instance_type
  subnet_id                   = data.aws_subnets.default.ids[0]
  vpc_security_group_ids      = [aws_security_group.web.id]
  iam_instance_profile        = aws_iam_instance_profile.web.name
  associate_public_ip_address = true
  user_data                   = <<-END
    #!/bin/bash
    wget -q https://aws-codedeploy-us-east-1.s3.us-east-1.amazonaws.com/latest/install
    chmod +x ./install
    ./install auto
  END
  tags                        = { Tier = "web" }
}

resource "aws_codedeploy_app" "servers" {
  name = "servers"
}

resource "aws_codedeploy_deployment_config" "most" {
  deployment_config_name = "most"
  minimum_healthy_hosts {
    type  = "FLEET_PERCENT"
    value = 75
  }
}

resource "aws_codedeploy_deployment_config" "zonal" {
  deployment_config_name = "zonal"
  minimum_healthy_hosts {
    type  = "HOST_COUNT"
    value = 0
  }
  zonal_config {
    monitor_duration_in_seconds = 10
    minimum_healthy_hosts_per_zone {
      type  = "HOST_COUNT"
      value = 0
    }
  }
}

resource "aws_codedeploy_deployment_group" "servers" {
  app_name                    = aws_codedeploy_app.servers.name
  deployment_group_name       = "web"
  service_role_arn            = aws_iam_role.main.arn
  deployment_config_name      = var.share == 50 ? "CodeDeployDefault.AllAtOnce" : aws_codedeploy_deployment_config.zonal.id
  outdated_instances_strategy = "UPDATE"
  ec2_tag_set {
    ec2_tag_filter {
      key   = "Tier"
      type  = "KEY_AND_VALUE"
      value = "web"
    }
  }
  auto_rollback_configuration {
    enabled = true
    events  = ["DEPLOYMENT_FAILURE"]
  }
}

output "balancer" {
  value = aws_lb.web.dns_name
}

output "server" {
  value = aws_instance.web.public_ip
}

output "definition" {
  value = aws_ecs_task_definition.web.arn
}
