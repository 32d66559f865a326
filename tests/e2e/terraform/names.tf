# Names: a public zone with every common record, a private zone that two VPCs see, delegation.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "domain" { type = string }
variable "address" {
  type    = string
  default = "198.19.0.10"
}

resource "aws_route53_zone" "public" {
  name    = var.domain
  comment = "what everybody sees"
}

resource "aws_route53_zone" "below" {
  name = "below.${var.domain}"
}

resource "aws_route53_record" "delegation" {
  zone_id = aws_route53_zone.public.zone_id
  name    = aws_route53_zone.below.name
  type    = "NS"
  ttl     = 300
  records = aws_route53_zone.below.name_servers
}

resource "aws_route53_record" "below" {
  zone_id = aws_route53_zone.below.zone_id
  name    = "www.below.${var.domain}"
  type    = "A"
  ttl     = 60
  records = [var.address]
}

resource "aws_route53_record" "records" {
  for_each = {
    A     = ["www", [var.address, "198.19.0.11"]]
    AAAA  = ["six", ["2001:db8::1"]]
    CNAME = ["alias", ["www.${var.domain}"]]
    MX    = ["mail", ["10 mx1.${var.domain}", "20 mx2.${var.domain}"]]
    TXT   = ["text", ["v=spf1 -all"]]
    SRV   = ["_sip._tcp", ["1 10 5060 sip.${var.domain}"]]
    CAA   = ["caa", ["0 issue \"ca.test\""]]
  }
  zone_id = aws_route53_zone.public.zone_id
  name    = "${each.value[0]}.${var.domain}"
  type    = each.key
  ttl     = 60
  records = each.value[1]
}

resource "aws_vpc" "first" {
  cidr_block           = "10.40.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_vpc" "second" {
  cidr_block           = "10.41.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_subnet" "first" {
  vpc_id     = aws_vpc.first.id
  cidr_block = "10.40.1.0/24"
}

resource "aws_route53_zone" "private" {
  name = "internal.test"
  vpc {
    vpc_id = aws_vpc.first.id
  }
  lifecycle { ignore_changes = [vpc] }
}

resource "aws_route53_zone_association" "second" {
  zone_id = aws_route53_zone.private.zone_id
  vpc_id  = aws_vpc.second.id
}

resource "aws_route53_record" "private" {
  zone_id = aws_route53_zone.private.zone_id
  name    = "db.internal.test"
  type    = "A"
  ttl     = 60
  records = ["10.40.1.9"]
}

resource "aws_route53_delegation_set" "shared" {
  reference_name = "shared"
}

output "subnet" { value = aws_subnet.first.id }
output "name_servers" { value = aws_route53_zone.public.name_servers }
