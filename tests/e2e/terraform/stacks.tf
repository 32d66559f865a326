# A CloudFormation stack in Terraform's hands, with parameters, an output that is used, and a policy.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "delay" {
  type    = number
  default = 3
}

resource "aws_cloudformation_stack" "queue" {
  name         = "queue"
  parameters   = { Delay = var.delay }
  capabilities = ["CAPABILITY_IAM"]
  on_failure   = "DELETE"
  tags         = { team = "blue" }
  policy_body  = jsonencode({ Statement = [{ Effect = "Allow", Action = "Update:*", Principal = "*", Resource = "*" }] })
  template_body = jsonencode({
    Parameters = { Delay = { Type = "Number" } }
    Resources  = { Q = { Type = "AWS::SQS::Queue", Properties = { DelaySeconds = { Ref = "Delay" } } } }
    Outputs    = { Url = { Value = { Ref = "Q" }, Export = { Name = "queue-url" } } }
  })
}

data "aws_cloudformation_export" "url" {
  name       = "queue-url"
  depends_on = [aws_cloudformation_stack.queue]
}

data "aws_cloudformation_stack" "same" {
  name       = aws_cloudformation_stack.queue.name
  depends_on = [aws_cloudformation_stack.queue]
}

resource "aws_ssm_parameter" "url" {
  name  = "/queue/url"
  type  = "String"
  value = aws_cloudformation_stack.queue.outputs["Url"]
}

output "urls" {
  value = [nonsensitive(aws_ssm_parameter.url.value), data.aws_cloudformation_stack.same.outputs["Url"]]
}
