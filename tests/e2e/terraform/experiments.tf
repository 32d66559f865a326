# Experiments on a subnet: one action after another, stopped by an alarm, logged.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "duration" {
  type    = string
  default = "PT12H"
}

data "aws_vpc" "default" { default = true }

data "aws_subnets" "first" {
  filter {
    name   = "availability-zone"
    values = ["us-east-1a"]
  }
}

data "aws_subnet" "first" { id = one(data.aws_subnets.first.ids) }

resource "aws_iam_role" "fis" {
  name = "experiments"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "fis.amazonaws.com" } }]
  })
}

resource "aws_cloudwatch_log_group" "fis" { name = "experiments" }

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "errors"
  namespace           = "app"
  metric_name         = "errors"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanThreshold"
}

resource "aws_fis_experiment_template" "cut" {
  description = "A zone is cut off"
  role_arn    = aws_iam_role.fis.arn

  stop_condition {
    source = "aws:cloudwatch:alarm"
    value  = aws_cloudwatch_metric_alarm.errors.arn
  }

  action {
    name      = "cut"
    action_id = "aws:network:disrupt-connectivity"
    target {
      key   = "Subnets"
      value = "zone"
    }
    parameter {
      key   = "duration"
      value = var.duration
    }
    parameter {
      key   = "scope"
      value = "all"
    }
  }

  action {
    name        = "recover"
    action_id   = "aws:fis:wait"
    start_after = ["cut"]
    parameter {
      key   = "duration"
      value = "PT1M"
    }
  }

  target {
    name           = "zone"
    resource_type  = "aws:ec2:subnet"
    selection_mode = "ALL"
    resource_arns  = [data.aws_subnet.first.arn]
  }

  log_configuration {
    log_schema_version = 2
    cloudwatch_logs_configuration {
      log_group_arn = "${aws_cloudwatch_log_group.fis.arn}:*"
    }
  }

  experiment_options {
    account_targeting            = "single-account"
    empty_target_resolution_mode = "skip"
  }

  tags = { Name = "cut" }
}

output "template" { value = aws_fis_experiment_template.cut.id }
output "subnet" { value = data.aws_subnet.first.id }
