# An HTTP API as its users have it: a function, a URL and a private load balancer behind it, a token for one route, CORS,
# throttling, access logs, a custom domain with certificate and name.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "domain" { type = string }
variable "greeting" {
  type    = string
  default = "hello"
}

resource "aws_lambda_function" "main" {
  function_name    = "http-api"
  role             = "arn:aws:iam::000000000000:role/any"
  runtime          = "python3.11"
  handler          = "app.handler"
  filename         = "${path.module}/api.zip"
  source_code_hash = filebase64sha256("${path.module}/api.zip")
}

resource "aws_lambda_permission" "api" {
  function_name = aws_lambda_function.main.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.main.execution_arn}/*"
}

resource "aws_apigatewayv2_api" "main" {
  name          = "main"
  protocol_type = "HTTP"
  cors_configuration {
    allow_origins = ["https://app.test"]
    allow_methods = ["GET"]
  }
  tags = { team = "edge" }
}

resource "aws_apigatewayv2_integration" "function" {
  api_id                 = aws_apigatewayv2_api.main.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.main.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_integration" "private" {
  api_id             = aws_apigatewayv2_api.main.id
  integration_type   = "HTTP_PROXY"
  integration_method = "ANY"
  integration_uri    = aws_lb_listener.inner.arn
  connection_type    = "VPC_LINK"
  connection_id      = aws_apigatewayv2_vpc_link.main.id
  request_parameters = { "overwrite:path" = "$request.path" }
}

resource "aws_apigatewayv2_route" "function" {
  api_id    = aws_apigatewayv2_api.main.id
  route_key = "GET /greet/{name}"
  target    = "integrations/${aws_apigatewayv2_integration.function.id}"
}

resource "aws_apigatewayv2_route" "private" {
  api_id    = aws_apigatewayv2_api.main.id
  route_key = "GET /private"
  target    = "integrations/${aws_apigatewayv2_integration.private.id}"
}

resource "aws_apigatewayv2_authorizer" "function" {
  api_id                            = aws_apigatewayv2_api.main.id
  name                              = "keys"
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = aws_lambda_function.main.invoke_arn
  authorizer_payload_format_version = "2.0"
  enable_simple_responses           = true
  identity_sources                  = ["$request.header.x-key"]
}

resource "aws_apigatewayv2_route" "guarded" {
  api_id             = aws_apigatewayv2_api.main.id
  route_key          = "GET /guarded"
  target             = "integrations/${aws_apigatewayv2_integration.function.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = aws_apigatewayv2_authorizer.function.id
}

resource "aws_cloudwatch_log_group" "access" {
  name = "/apis/main"
}

resource "aws_apigatewayv2_stage" "main" {
  api_id          = aws_apigatewayv2_api.main.id
  name            = "$default"
  auto_deploy     = true
  stage_variables = { greeting = var.greeting }
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format          = "$context.requestId $context.status"
  }
  default_route_settings {
    throttling_burst_limit = 100
    throttling_rate_limit  = 50
  }
}

data "aws_subnets" "default" {
  filter {
    name   = "default-for-az"
    values = ["true"]
  }
}

data "aws_vpc" "default" { default = true }

resource "aws_security_group" "link" {
  name   = "link"
  vpc_id = data.aws_vpc.default.id
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "inner" {
  name   = "inner"
  vpc_id = data.aws_vpc.default.id
  ingress {
    from_port       = 80
    to_port         = 80
    protocol        = "tcp"
    security_groups = [aws_security_group.link.id]
  }
}

resource "aws_lb" "inner" {
  name            = "inner"
  internal        = true
  subnets         = slice(sort(data.aws_subnets.default.ids), 0, 2)
  security_groups = [aws_security_group.inner.id]
}

resource "aws_lb_listener" "inner" {
  load_balancer_arn = aws_lb.inner.arn
  port              = 80
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "private ${var.greeting}"
      status_code  = "200"
    }
  }
}

resource "aws_apigatewayv2_vpc_link" "main" {
  name               = "main"
  subnet_ids         = aws_lb.inner.subnets
  security_group_ids = [aws_security_group.link.id]
}

resource "aws_route53_zone" "main" {
  name = var.domain
}

resource "aws_acm_certificate" "main" {
  domain_name       = "api.${var.domain}"
  validation_method = "DNS"
}

resource "aws_route53_record" "proof" {
  for_each = {
    for option in aws_acm_certificate.main.domain_validation_options : option.domain_name => option
  }
  zone_id = aws_route53_zone.main.zone_id
  name    = each.value.resource_record_name
  type    = each.value.resource_record_type
  records = [each.value.resource_record_value]
  ttl     = 60
}

resource "aws_acm_certificate_validation" "main" {
  certificate_arn         = aws_acm_certificate.main.arn
  validation_record_fqdns = [for record in aws_route53_record.proof : record.fqdn]
}

resource "aws_apigatewayv2_domain_name" "main" {
  domain_name = "api.${var.domain}"
  domain_name_configuration {
    certificate_arn = aws_acm_certificate_validation.main.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "main" {
  api_id          = aws_apigatewayv2_api.main.id
  domain_name     = aws_apigatewayv2_domain_name.main.id
  stage           = aws_apigatewayv2_stage.main.id
  api_mapping_key = "v1"
}

resource "aws_route53_record" "api" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "api.${var.domain}"
  type    = "A"
  alias {
    name                   = aws_apigatewayv2_domain_name.main.domain_name_configuration[0].target_domain_name
    zone_id                = aws_apigatewayv2_domain_name.main.domain_name_configuration[0].hosted_zone_id
    evaluate_target_health = false
  }
}

output "url" { value = aws_apigatewayv2_stage.main.invoke_url }
