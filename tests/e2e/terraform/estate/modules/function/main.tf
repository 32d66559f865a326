# A function with an alias, a URL and permissions, in the shape of the community's module.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "function_name" { type = string }
variable "package" { type = string }
variable "handler" {
  type    = string
  default = "app.handler"
}
variable "environment_variables" {
  type    = map(string)
  default = {}
}
variable "allowed_triggers" {
  type    = map(object({ principal = string, source_arn = optional(string) }))
  default = {}
}

resource "aws_iam_role" "this" {
  name = var.function_name
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_cloudwatch_log_group" "this" {
  name = "/aws/lambda/${var.function_name}"
}

resource "aws_lambda_function" "this" {
  function_name    = var.function_name
  role             = aws_iam_role.this.arn
  runtime          = "python3.11"
  handler          = var.handler
  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  publish          = true
  dynamic "environment" {
    for_each = length(var.environment_variables) == 0 ? [] : [true]
    content { variables = var.environment_variables }
  }
  depends_on = [aws_cloudwatch_log_group.this]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_permission" "triggers" {
  for_each      = var.allowed_triggers
  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = each.value.principal
  source_arn    = each.value.source_arn
}

resource "aws_lambda_function_url" "live" {
  function_name      = aws_lambda_function.this.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "NONE"
}

output "alias_arn" { value = aws_lambda_alias.live.arn }
output "url" { value = aws_lambda_function_url.live.function_url }
