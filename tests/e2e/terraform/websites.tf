# Old domains that only redirect: a bucket's website for each, over HTTP.
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
  default = "new.test"
}

resource "aws_route53_zone" "main" {
  name = var.domain
}

resource "aws_s3_bucket" "main" {
  for_each      = toset(["all", "page"])
  bucket        = "${each.key}.${var.domain}"
  force_destroy = true
}

resource "aws_s3_bucket_website_configuration" "all" {
  bucket = aws_s3_bucket.main["all"].id
  redirect_all_requests_to {
    host_name = var.moved_to
    protocol  = "https"
  }
}

resource "aws_s3_bucket_website_configuration" "page" {
  bucket = aws_s3_bucket.main["page"].id
  index_document { suffix = "index.html" }
  error_document { key = "error.html" }

  routing_rule {
    condition { key_prefix_equals = "docs/" }
    redirect {
      host_name               = var.moved_to
      http_redirect_code      = "302"
      protocol                = "https"
      replace_key_prefix_with = "documents/"
    }
  }

  routing_rule {
    redirect {
      host_name        = "${var.moved_to}:8443"
      protocol         = "https"
      replace_key_with = "two?campaign=spring"
    }
  }
}

resource "aws_route53_record" "site" {
  for_each = {
    all  = aws_s3_bucket_website_configuration.all.website_domain
    page = aws_s3_bucket_website_configuration.page.website_domain
  }
  zone_id = aws_route53_zone.main.zone_id
  name    = "${each.key}.${var.domain}"
  type    = "A"
  alias {
    name                   = each.value
    zone_id                = aws_s3_bucket.main[each.key].hosted_zone_id
    evaluate_target_health = false
  }
}

output "endpoint" { value = aws_s3_bucket_website_configuration.all.website_endpoint }
