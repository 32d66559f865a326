# An estate as teams build it from modules: a network in three zones, sites with certificates by name, an application
# load balancer with a function behind it, a network load balancer before that one.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
  default_tags {
    tags = { Project = "estate", ManagedBy = "terraform" }
  }
}

variable "domains" { type = list(string) }
variable "greeting" {
  type    = string
  default = "hello"
}
variable "moved" {
  type    = map(string)
  default = { old = "/new" }
}

locals {
  cidr = "10.70.0.0/16"
  azs  = slice(data.aws_availability_zones.available.names, 0, 3)
}

data "aws_availability_zones" "available" {
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

module "vpc" {
  source              = "./modules/vpc"
  name                = "estate"
  cidr                = local.cidr
  azs                 = local.azs
  public_subnets      = [for index, _ in local.azs : cidrsubnet(local.cidr, 8, index)]
  private_subnets     = [for index, _ in local.azs : cidrsubnet(local.cidr, 8, index + 10)]
  database_subnets    = [for index, _ in local.azs : cidrsubnet(local.cidr, 8, index + 20)]
  gateway_endpoints   = ["s3", "dynamodb"]
  interface_endpoints = { sqs = {}, sts = { private_dns_enabled = false } }
  tags                = { Tier = "network" }
}

module "site" {
  for_each = toset(var.domains)
  source   = "./modules/site"
  domain   = each.key
  records = {
    mail = { type = "MX", records = ["10 mx.${each.key}"] }
    txt  = { type = "TXT", ttl = 60, records = ["v=spf1 -all", "two"] }
  }
  weights = { blue = 255, green = 0 }
}

module "function" {
  source                = "./modules/function"
  function_name         = "estate-greeter"
  package               = "${path.root}/app.zip"
  environment_variables = { GREETING = var.greeting }
  allowed_triggers = {
    balancer = { principal = "elasticloadbalancing.amazonaws.com", source_arn = module.front.target_groups["function"] }
  }
}

# apart from the module, since the function must allow the load balancer first
resource "aws_lb_target_group_attachment" "function" {
  target_group_arn = module.front.target_groups["function"]
  target_id        = module.function.alias_arn
  depends_on       = [module.function]
}

module "front" {
  source       = "./modules/balancer"
  name         = "estate-front"
  vpc_id       = module.vpc.vpc_id
  subnets      = module.vpc.public_subnets
  ingress      = { for port in [80, 443] : "port-${port}" => { from_port = port, to_port = port, cidr_ipv4 = "0.0.0.0/0" } }
  certificates = { for domain in var.domains : domain => module.site[domain].certificate_arn }
  listeners = {
    http = { port = 80, protocol = "HTTP", redirect = { port = "443", protocol = "HTTPS", status_code = "HTTP_301" } }
    https = {
      port             = 443
      protocol         = "HTTPS"
      certificate_arn  = module.site[var.domains[0]].certificate_arn
      additional_names = slice(var.domains, 1, length(var.domains))
      forward          = "function"
      rules = {
        for index, name in sort(keys(var.moved)) : name => {
          priority   = 10 + index
          actions    = [{ type = "redirect", redirect = { path = var.moved[name], status_code = "HTTP_302" } }]
          conditions = { path_pattern = ["/${name}", "/${name}/*"], host_header = var.domains }
        }
      }
    }
  }
  target_groups = { function = { target_type = "lambda", attach = false } }
}

module "entry" {
  source             = "./modules/balancer"
  name               = "estate-entry"
  load_balancer_type = "network"
  vpc_id             = module.vpc.vpc_id
  subnets            = module.vpc.public_subnets
  ingress            = { web = { from_port = 80, to_port = 80, cidr_ipv4 = "0.0.0.0/0" } }
  listeners          = { tcp = { port = 80, protocol = "TCP", forward = "front" } }
  target_groups = {
    front = {
      target_type  = "alb", port = 80, protocol = "TCP", target_id = module.front.arn
      health_check = { protocol = "HTTP", path = "/", matcher = "200-399" }
    }
  }
}

resource "aws_route53_record" "alias" {
  for_each = merge([for domain in var.domains : { "${domain}" = domain, "www.${domain}" = domain }]...)
  zone_id  = module.site[each.value].zone_id
  name     = each.key
  type     = "A"
  alias {
    name                   = module.front.dns_name
    zone_id                = module.front.zone_id
    evaluate_target_health = false
  }
}

resource "aws_route53_zone" "inside" {
  name = "estate.internal"
  vpc { vpc_id = module.vpc.vpc_id }
}

resource "aws_route53_record" "inside" {
  zone_id = aws_route53_zone.inside.zone_id
  name    = "front.estate.internal"
  type    = "CNAME"
  ttl     = 60
  records = [module.front.dns_name]
}

output "entry" { value = module.entry.dns_name }
output "function_url" { value = module.function.url }
output "front" { value = module.front.dns_name }
output "private_subnet" { value = module.vpc.private_subnets[2] }
output "nat_public_ips" { value = module.vpc.nat_public_ips }
output "group" { value = module.front.security_group }
