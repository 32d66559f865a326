# A REST API as its users have it: functions, mocks, templates, an authorizer, keys, a custom domain; and one from a
# definition.
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

data "aws_caller_identity" "current" {}

resource "aws_lambda_function" "pets" {
  function_name    = "pets"
  role             = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/any"
  runtime          = "python3.11"
  handler          = "app.handler"
  filename         = "${path.module}/app.zip"
  source_code_hash = filebase64sha256("${path.module}/app.zip")
}

resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.pets.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.main.execution_arn}/*"
}

resource "aws_api_gateway_rest_api" "main" {
  name               = "pets"
  description        = "said in Terraform"
  binary_media_types = ["image/png"]
  endpoint_configuration { types = ["REGIONAL"] }
  tags = { team = "pets" }
}

resource "aws_api_gateway_resource" "pets" {
  rest_api_id = aws_api_gateway_rest_api.main.id
  parent_id   = aws_api_gateway_rest_api.main.root_resource_id
  path_part   = "pets"
}

resource "aws_api_gateway_resource" "pet" {
  rest_api_id = aws_api_gateway_rest_api.main.id
  parent_id   = aws_api_gateway_resource.pets.id
  path_part   = "{proxy+}"
}

resource "aws_api_gateway_authorizer" "token" {
  name                             = "token"
  rest_api_id                      = aws_api_gateway_rest_api.main.id
  authorizer_uri                   = aws_lambda_function.pets.invoke_arn
  authorizer_result_ttl_in_seconds = 60
}

resource "aws_api_gateway_method" "pet" {
  rest_api_id        = aws_api_gateway_rest_api.main.id
  resource_id        = aws_api_gateway_resource.pet.id
  http_method        = "ANY"
  authorization      = "CUSTOM"
  authorizer_id      = aws_api_gateway_authorizer.token.id
  request_parameters = { "method.request.path.proxy" = true }
}

resource "aws_api_gateway_integration" "pet" {
  rest_api_id             = aws_api_gateway_rest_api.main.id
  resource_id             = aws_api_gateway_resource.pet.id
  http_method             = aws_api_gateway_method.pet.http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = aws_lambda_function.pets.invoke_arn
  cache_key_parameters    = ["method.request.path.proxy"]
  timeout_milliseconds    = 20000
}

resource "aws_api_gateway_model" "pet" {
  rest_api_id  = aws_api_gateway_rest_api.main.id
  name         = "Pet"
  content_type = "application/json"
  schema       = jsonencode({ type = "object", required = ["name"] })
}

resource "aws_api_gateway_request_validator" "body" {
  rest_api_id           = aws_api_gateway_rest_api.main.id
  name                  = "body"
  validate_request_body = true
}

resource "aws_api_gateway_method" "greet" {
  rest_api_id          = aws_api_gateway_rest_api.main.id
  resource_id          = aws_api_gateway_resource.pets.id
  http_method          = "POST"
  authorization        = "NONE"
  api_key_required     = true
  request_validator_id = aws_api_gateway_request_validator.body.id
  request_models       = { "application/json" = aws_api_gateway_model.pet.name }
}

resource "aws_api_gateway_integration" "greet" {
  rest_api_id       = aws_api_gateway_rest_api.main.id
  resource_id       = aws_api_gateway_resource.pets.id
  http_method       = aws_api_gateway_method.greet.http_method
  type              = "MOCK"
  request_templates = { "application/json" = "{\"statusCode\": 200}" }
}

resource "aws_api_gateway_method_response" "greet" {
  rest_api_id         = aws_api_gateway_rest_api.main.id
  resource_id         = aws_api_gateway_resource.pets.id
  http_method         = aws_api_gateway_method.greet.http_method
  status_code         = "200"
  response_parameters = { "method.response.header.X-Stage" = true }
  response_models     = { "application/json" = "Empty" }
}

resource "aws_api_gateway_integration_response" "greet" {
  rest_api_id         = aws_api_gateway_rest_api.main.id
  resource_id         = aws_api_gateway_resource.pets.id
  http_method         = aws_api_gateway_method.greet.http_method
  status_code         = aws_api_gateway_method_response.greet.status_code
  response_parameters = { "method.response.header.X-Stage" = "context.stage" }
  response_templates  = { "application/json" = "${var.greeting} $stageVariables.who" }
  depends_on          = [aws_api_gateway_integration.greet]
}

resource "aws_api_gateway_gateway_response" "forbidden" {
  rest_api_id        = aws_api_gateway_rest_api.main.id
  response_type      = "INVALID_API_KEY"
  status_code        = "418"
  response_templates = { "application/json" = "{\"why\": $context.error.messageString}" }
}

resource "aws_api_gateway_deployment" "main" {
  rest_api_id = aws_api_gateway_rest_api.main.id
  triggers = {
    all = sha1(jsonencode([
      aws_api_gateway_integration.pet.uri, aws_api_gateway_integration_response.greet.response_templates,
      aws_api_gateway_gateway_response.forbidden.response_templates,
    ]))
  }
  lifecycle { create_before_destroy = true }
}

resource "aws_api_gateway_stage" "live" {
  rest_api_id   = aws_api_gateway_rest_api.main.id
  stage_name    = "live"
  deployment_id = aws_api_gateway_deployment.main.id
  variables     = { who = "rex" }
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format          = "$context.requestId $context.status"
  }
}

resource "aws_api_gateway_method_settings" "all" {
  rest_api_id = aws_api_gateway_rest_api.main.id
  stage_name  = aws_api_gateway_stage.live.stage_name
  method_path = "*/*"
  settings {
    metrics_enabled        = true
    throttling_burst_limit = 50
    throttling_rate_limit  = 100
  }
}

resource "aws_cloudwatch_log_group" "access" {
  name = "api-access"
}

resource "aws_api_gateway_usage_plan" "few" {
  name = "few"
  api_stages {
    api_id = aws_api_gateway_rest_api.main.id
    stage  = aws_api_gateway_stage.live.stage_name
  }
  quota_settings {
    limit  = 1000
    period = "MONTH"
  }
  throttle_settings {
    burst_limit = 10
    rate_limit  = 20
  }
}

resource "aws_api_gateway_api_key" "mine" {
  name = "mine"
}

resource "aws_api_gateway_usage_plan_key" "mine" {
  key_id        = aws_api_gateway_api_key.mine.id
  key_type      = "API_KEY"
  usage_plan_id = aws_api_gateway_usage_plan.few.id
}

resource "aws_api_gateway_rest_api" "defined" {
  name = "defined"
  endpoint_configuration { types = ["REGIONAL"] }
  body = jsonencode({
    openapi = "3.0.1"
    info    = { title = "defined", version = "1" }
    paths = {
      "/hello" = {
        get = {
          responses = { "200" = { description = "ok" } }
          "x-amazon-apigateway-integration" = {
            type             = "mock"
            requestTemplates = { "application/json" = "{\"statusCode\": 200}" }
            responses = {
              default = { statusCode = "200", responseTemplates = { "application/json" = "defined ${var.greeting}" } }
            }
          }
        }
      }
    }
  })
}

resource "aws_api_gateway_deployment" "defined" {
  rest_api_id = aws_api_gateway_rest_api.defined.id
  triggers    = { body = sha1(aws_api_gateway_rest_api.defined.body) }
  lifecycle { create_before_destroy = true }
}

resource "aws_api_gateway_stage" "defined" {
  rest_api_id   = aws_api_gateway_rest_api.defined.id
  stage_name    = "v1"
  deployment_id = aws_api_gateway_deployment.defined.id
}

resource "aws_route53_zone" "main" {
  name = var.domain
}

resource "aws_acm_certificate" "main" {
  domain_name       = "api.${var.domain}"
  validation_method = "DNS"
}

resource "aws_route53_record" "validation" {
  zone_id = aws_route53_zone.main.zone_id
  name    = tolist(aws_acm_certificate.main.domain_validation_options)[0].resource_record_name
  type    = tolist(aws_acm_certificate.main.domain_validation_options)[0].resource_record_type
  records = [tolist(aws_acm_certificate.main.domain_validation_options)[0].resource_record_value]
  ttl     = 60
}

resource "aws_acm_certificate_validation" "main" {
  certificate_arn         = aws_acm_certificate.main.arn
  validation_record_fqdns = [aws_route53_record.validation.fqdn]
}

resource "aws_api_gateway_domain_name" "main" {
  domain_name              = "api.${var.domain}"
  regional_certificate_arn = aws_acm_certificate_validation.main.certificate_arn
  endpoint_configuration { types = ["REGIONAL"] }
}

resource "aws_api_gateway_base_path_mapping" "pets" {
  api_id      = aws_api_gateway_rest_api.main.id
  stage_name  = aws_api_gateway_stage.live.stage_name
  domain_name = aws_api_gateway_domain_name.main.domain_name
  base_path   = "zoo"
}

resource "aws_route53_record" "api" {
  zone_id = aws_route53_zone.main.zone_id
  name    = aws_api_gateway_domain_name.main.domain_name
  type    = "A"
  alias {
    name                   = aws_api_gateway_domain_name.main.regional_domain_name
    zone_id                = aws_api_gateway_domain_name.main.regional_zone_id
    evaluate_target_health = false
  }
}

output "url" { value = aws_api_gateway_stage.live.invoke_url }
output "defined" { value = aws_api_gateway_stage.defined.invoke_url }
output "key" {
  value     = aws_api_gateway_api_key.mine.value
  sensitive = true
}
