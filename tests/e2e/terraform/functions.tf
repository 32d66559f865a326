# A function as its users have it: a version behind an alias, a URL, a layer, environment, retries, a queue that feeds it.
# And one in a VPC.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "greeting" {
  type    = string
  default = "hello"
}

resource "aws_iam_role" "function" {
  name = "greeter"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_cloudwatch_log_group" "greeter" {
  name              = "/aws/lambda/greeter"
  retention_in_days = 7
}

resource "aws_lambda_layer_version" "words" {
  layer_name               = "words"
  filename                 = "${path.module}/layer.zip"
  source_code_hash         = filebase64sha256("${path.module}/layer.zip")
  compatible_runtimes      = ["python3.11"]
  compatible_architectures = ["x86_64"]
}

resource "aws_lambda_function" "greeter" {
  function_name                  = "greeter"
  role                           = aws_iam_role.function.arn
  runtime                        = "python3.11"
  handler                        = "app.handler"
  filename                       = "${path.module}/app.zip"
  source_code_hash               = filebase64sha256("${path.module}/app.zip")
  layers                         = [aws_lambda_layer_version.words.arn]
  memory_size                    = 256
  timeout                        = 10
  publish                        = true
  reserved_concurrent_executions = 5
  environment {
    variables = { GREETING = var.greeting }
  }
  dead_letter_config {
    target_arn = aws_sqs_queue.dead.arn
  }
  depends_on = [aws_cloudwatch_log_group.greeter]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.greeter.function_name
  function_version = aws_lambda_function.greeter.version
}

resource "aws_lambda_function_url" "live" {
  function_name      = aws_lambda_function.greeter.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "NONE"
  cors {
    allow_origins = ["https://example.test"]
    allow_methods = ["GET"]
    max_age       = 600
  }
}

resource "aws_lambda_function_event_invoke_config" "greeter" {
  function_name                = aws_lambda_function.greeter.function_name
  maximum_event_age_in_seconds = 120
  maximum_retry_attempts       = 0
  destination_config {
    on_failure { destination = aws_sqs_queue.dead.arn }
  }
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  function_name                     = aws_lambda_function.greeter.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = 1
}

resource "aws_sqs_queue" "work" {
  name = "greeter-work"
}

resource "aws_sqs_queue" "dead" {
  name = "greeter-dead"
}

resource "aws_lambda_event_source_mapping" "work" {
  event_source_arn                   = aws_sqs_queue.work.arn
  function_name                      = aws_lambda_alias.live.arn
  batch_size                         = 5
  maximum_batching_window_in_seconds = 0
  function_response_types            = ["ReportBatchItemFailures"]
}

resource "aws_vpc" "inside" {
  cidr_block = "10.9.0.0/16"
}

resource "aws_subnet" "inside" {
  count      = 2
  vpc_id     = aws_vpc.inside.id
  cidr_block = "10.9.${count.index}.0/24"
}

resource "aws_security_group" "inside" {
  name   = "inside"
  vpc_id = aws_vpc.inside.id
}

resource "aws_lambda_function" "inside" {
  function_name    = "inside"
  role             = aws_iam_role.function.arn
  runtime          = "python3.11"
  handler          = "app.handler"
  filename         = "${path.module}/app.zip"
  source_code_hash = filebase64sha256("${path.module}/app.zip")
  layers           = [aws_lambda_layer_version.words.arn]
  environment {
    variables = { GREETING = var.greeting }
  }
  ephemeral_storage { size = 600 }
  vpc_config {
    subnet_ids         = aws_subnet.inside[*].id
    security_group_ids = [aws_security_group.inside.id]
  }
}

output "url" { value = aws_lambda_function_url.live.function_url }
output "queue" { value = aws_sqs_queue.work.url }
output "version" { value = aws_lambda_function.greeter.version }
output "vpc" { value = aws_lambda_function.inside.vpc_config[0].vpc_id }
