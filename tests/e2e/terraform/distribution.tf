# A distribution as teams have it: its own policies, a CloudFront Function that reads a key value store, a Lambda@Edge
# function, an origin that another one stands in for, a private bucket, signed paths, an error page, name and certificate.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region            = "us-east-1"
  s3_use_path_style = true
}

variable "domain" { type = string }
variable "moved_to" {
  type    = string
  default = "https://new.test/"
}
variable "ttl" {
  type    = number
  default = 3600
}

data "aws_vpc" "default" { default = true }
data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = data.aws_vpc.default.id
  ingress {
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "web" {
  name               = "web"
  load_balancer_type = "application"
  security_groups    = [aws_security_group.web.id]
  subnets            = slice(sort(data.aws_subnets.default.ids), 0, 2)
}

resource "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.web.arn
  port              = 80
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "from the origin"
      status_code  = "200"
    }
  }
}

resource "aws_lb_listener_rule" "statuses" {
  for_each     = { "/ill/*" = "503", "/missing/*" = "404" }
  listener_arn = aws_lb_listener.web.arn
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "no"
      status_code  = each.value
    }
  }
  condition {
    path_pattern { values = [each.key] }
  }
}

resource "aws_cloudfront_cache_policy" "by_colour" {
  name        = "by-colour"
  default_ttl = var.ttl
  max_ttl     = 86400
  min_ttl     = 1
  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_gzip   = true
    enable_accept_encoding_brotli = true
    cookies_config { cookie_behavior = "none" }
    headers_config {
      header_behavior = "whitelist"
      headers { items = ["X-Team"] }
    }
    query_strings_config {
      query_string_behavior = "whitelist"
      query_strings { items = ["colour"] }
    }
  }
}

resource "aws_cloudfront_origin_request_policy" "all" {
  name = "everything"
  cookies_config { cookie_behavior = "all" }
  headers_config { header_behavior = "allViewer" }
  query_strings_config { query_string_behavior = "all" }
}

resource "aws_cloudfront_response_headers_policy" "strict" {
  name = "strict"
  security_headers_config {
    frame_options {
      frame_option = "DENY"
      override     = true
    }
    content_type_options { override = true }
  }
  custom_headers_config {
    items {
      header   = "X-Served-By"
      value    = "edge"
      override = true
    }
  }
}

data "aws_cloudfront_cache_policy" "disabled" {
  name = "Managed-CachingDisabled"
}

resource "aws_cloudfront_key_value_store" "moved" {
  name    = "moved"
  comment = "where things have gone"
}

resource "aws_cloudfront_function" "turn" {
  name                         = "turn"
  runtime                      = "cloudfront-js-2.0"
  comment                      = "redirects"
  publish                      = true
  key_value_store_associations = [aws_cloudfront_key_value_store.moved.arn]
  code                         = <<-JAVASCRIPT
    function handler(event) {
        return { statusCode: 301, statusDescription: 'Moved Permanently',
                 headers: { location: { value: '${var.moved_to}' } } };
    }
  JAVASCRIPT
}

resource "aws_iam_role" "edge" {
  name = "edge"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow", Action = "sts:AssumeRole",
      Principal = { Service = ["lambda.amazonaws.com", "edgelambda.amazonaws.com"] }
    }]
  })
}

resource "aws_lambda_function" "edge" {
  function_name    = "edge"
  role             = aws_iam_role.edge.arn
  runtime          = "python3.11"
  handler          = "app.handler"
  filename         = "${path.module}/edge.zip"
  source_code_hash = filebase64sha256("${path.module}/edge.zip")
  publish          = true
}

resource "aws_cloudfront_public_key" "signer" {
  name        = "signer"
  encoded_key = file("${path.module}/signer.pem")
}

resource "aws_cloudfront_key_group" "signers" {
  name  = "signers"
  items = [aws_cloudfront_public_key.signer.id]
}

resource "aws_s3_bucket" "files" {
  bucket        = "files-${var.domain}"
  force_destroy = true
}

resource "aws_s3_object" "page" {
  bucket       = aws_s3_bucket.files.id
  key          = "files/page.txt"
  content      = "from the bucket"
  content_type = "text/plain"
}

resource "aws_cloudfront_origin_access_control" "files" {
  name                              = "files"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

data "aws_iam_policy_document" "files" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.files.arn}/*"]
    principals {
      type        = "Service"
      identifiers = ["cloudfront.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "AWS:SourceArn"
      values   = [aws_cloudfront_distribution.main.arn]
    }
  }
}

resource "aws_s3_bucket_policy" "files" {
  bucket = aws_s3_bucket.files.id
  policy = data.aws_iam_policy_document.files.json
}

resource "aws_route53_zone" "main" {
  name = var.domain
}

resource "aws_acm_certificate" "main" {
  domain_name               = var.domain
  subject_alternative_names = ["www.${var.domain}"]
  validation_method         = "DNS"
  lifecycle { create_before_destroy = true }
}

resource "aws_route53_record" "proof" {
  for_each = {
    for each in aws_acm_certificate.main.domain_validation_options : each.domain_name => each
  }
  zone_id         = aws_route53_zone.main.zone_id
  name            = each.value.resource_record_name
  type            = each.value.resource_record_type
  records         = [each.value.resource_record_value]
  ttl             = 60
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "main" {
  certificate_arn         = aws_acm_certificate.main.arn
  validation_record_fqdns = [for each in aws_route53_record.proof : each.fqdn]
}

resource "aws_kinesis_stream" "told" {
  name             = "told"
  shard_count      = 1
  retention_period = 24
}

resource "aws_iam_role" "teller" {
  name = "teller"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "cloudfront.amazonaws.com" }
    }]
  })
}

resource "aws_cloudfront_realtime_log_config" "told" {
  name          = "told"
  sampling_rate = 100
  fields        = ["timestamp", "c-ip", "cs-uri-stem"]
  endpoint {
    stream_type = "Kinesis"
    kinesis_stream_config {
      role_arn   = aws_iam_role.teller.arn
      stream_arn = aws_kinesis_stream.told.arn
    }
  }
}

resource "aws_cloudfront_distribution" "main" {
  enabled             = true
  is_ipv6_enabled     = true
  http_version        = "http2and3"
  comment             = "the site"
  default_root_object = "index.html"
  aliases             = [var.domain, "www.${var.domain}"]
  price_class         = "PriceClass_All"
  tags                = { Team = "edge" }

  dynamic "origin" {
    for_each = { web = "", ill = "/ill" }
    content {
      origin_id   = origin.key
      origin_path = origin.value
      domain_name = aws_lb.web.dns_name
      custom_origin_config {
        http_port              = 80
        https_port             = 443
        origin_protocol_policy = "http-only"
        origin_ssl_protocols   = ["TLSv1.2"]
      }
      custom_header {
        name  = "X-From"
        value = "cloudfront"
      }
    }
  }

  origin {
    origin_id                = "files"
    domain_name              = aws_s3_bucket.files.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.files.id
  }

  origin_group {
    origin_id = "either"
    failover_criteria { status_codes = [500, 502, 503] }
    member { origin_id = "ill" }
    member { origin_id = "web" }
  }

  default_cache_behavior {
    target_origin_id           = "web"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD", "OPTIONS"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = aws_cloudfront_cache_policy.by_colour.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.strict.id
  }

  ordered_cache_behavior {
    path_pattern           = "/old/*"
    target_origin_id       = "web"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = data.aws_cloudfront_cache_policy.disabled.id

    realtime_log_config_arn = aws_cloudfront_realtime_log_config.told.arn
    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.turn.arn
    }
  }

  ordered_cache_behavior {
    path_pattern             = "/lambda/*"
    target_origin_id         = "web"
    viewer_protocol_policy   = "allow-all"
    allowed_methods          = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods           = ["GET", "HEAD"]
    cache_policy_id          = data.aws_cloudfront_cache_policy.disabled.id
    origin_request_policy_id = aws_cloudfront_origin_request_policy.all.id
    lambda_function_association {
      event_type   = "viewer-request"
      lambda_arn   = aws_lambda_function.edge.qualified_arn
      include_body = false
    }
  }

  ordered_cache_behavior {
    path_pattern           = "/either/*"
    target_origin_id       = "either"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    min_ttl                = 0
    default_ttl            = 60
    max_ttl                = 120
    forwarded_values {
      query_string = true
      headers      = ["Origin"]
      cookies { forward = "none" }
    }
  }

  ordered_cache_behavior {
    path_pattern           = "/files/*"
    target_origin_id       = "files"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = data.aws_cloudfront_cache_policy.disabled.id
  }

  ordered_cache_behavior {
    path_pattern           = "/signed/*"
    target_origin_id       = "web"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = data.aws_cloudfront_cache_policy.disabled.id
    trusted_key_groups     = [aws_cloudfront_key_group.signers.id]
  }

  custom_error_response {
    error_code            = 404
    response_code         = 200
    response_page_path    = "/sorry.html"
    error_caching_min_ttl = 5
  }

  restrictions {
    geo_restriction {
      restriction_type = "blacklist"
      locations        = ["BR"]
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate_validation.main.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }
}

resource "aws_route53_record" "site" {
  for_each = toset(["", "www."])
  zone_id  = aws_route53_zone.main.zone_id
  name     = "${each.value}${var.domain}"
  type     = "A"
  alias {
    name                   = aws_cloudfront_distribution.main.domain_name
    zone_id                = aws_cloudfront_distribution.main.hosted_zone_id
    evaluate_target_health = false
  }
}

output "id" { value = aws_cloudfront_distribution.main.id }
output "name" { value = aws_cloudfront_distribution.main.domain_name }
