# Domains with their zones and certificates, validated by records that are made for each option.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "domain" { type = string }
variable "records" {
  type = map(object({
    type    = string
    ttl     = optional(number, 300)
    records = list(string)
  }))
  default = {}
}
variable "weights" {
  type    = map(number)
  default = {}
}

resource "aws_route53_zone" "this" {
  name          = var.domain
  force_destroy = true
}

resource "aws_route53_record" "this" {
  for_each = var.records
  zone_id  = aws_route53_zone.this.zone_id
  name     = each.key == "@" ? var.domain : "${each.key}.${var.domain}"
  type     = each.value.type
  ttl      = each.value.ttl
  records  = each.value.records
}

resource "aws_route53_record" "weighted" {
  for_each       = var.weights
  zone_id        = aws_route53_zone.this.zone_id
  name           = "weighted.${var.domain}"
  type           = "TXT"
  ttl            = 5
  records        = [each.key]
  set_identifier = each.key
  weighted_routing_policy { weight = each.value }
}

resource "aws_acm_certificate" "this" {
  domain_name               = var.domain
  subject_alternative_names = ["*.${var.domain}"]
  validation_method         = "DNS"
  lifecycle { create_before_destroy = true }
}

resource "aws_route53_record" "validation" {
  for_each = {
    for option in aws_acm_certificate.this.domain_validation_options : option.domain_name => {
      name   = option.resource_record_name
      record = option.resource_record_value
      type   = option.resource_record_type
    }
  }
  allow_overwrite = true
  name            = each.value.name
  records         = [each.value.record]
  ttl             = 60
  type            = each.value.type
  zone_id         = aws_route53_zone.this.zone_id
}

resource "aws_acm_certificate_validation" "this" {
  certificate_arn         = aws_acm_certificate.this.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

output "zone_id" { value = aws_route53_zone.this.zone_id }
output "certificate_arn" { value = aws_acm_certificate_validation.this.certificate_arn }
