# Single pieces of networks that the other configurations leave out, and a service offered by PrivateLink.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

# the consumer, of another account
provider "aws" {
  alias      = "consumer"
  region     = "us-east-1"
  access_key = var.consumer
  secret_key = "test"
}

variable "consumer" { type = string }
variable "domain" { type = string }
variable "secondary" {
  type    = bool
  default = true
}

data "aws_caller_identity" "consumer" { provider = aws.consumer }
data "aws_region" "current" {}
data "aws_regions" "all" {}
data "aws_availability_zone" "first" { name = "us-east-1a" }

resource "aws_default_vpc" "default" {
  tags = { Name = "default" }
}

resource "aws_default_subnet" "first" {
  availability_zone = data.aws_availability_zone.first.name
}

resource "aws_default_vpc_dhcp_options" "default" {}

resource "aws_vpc" "provider" {
  cidr_block           = "10.80.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_vpc_ipv4_cidr_block_association" "more" {
  vpc_id     = aws_vpc.provider.id
  cidr_block = "10.81.0.0/16"
}

resource "aws_subnet" "main" {
  vpc_id            = aws_vpc.provider.id
  cidr_block        = "10.80.1.0/24"
  availability_zone = data.aws_availability_zone.first.name
}

resource "aws_subnet" "more" {
  vpc_id            = aws_vpc_ipv4_cidr_block_association.more.vpc_id
  cidr_block        = "10.81.1.0/24"
  availability_zone = "us-east-1b"
}

resource "aws_internet_gateway" "main" {}

resource "aws_internet_gateway_attachment" "main" {
  internet_gateway_id = aws_internet_gateway.main.id
  vpc_id              = aws_vpc.provider.id
}

resource "aws_route_table" "main" {
  vpc_id = aws_vpc.provider.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway_attachment.main.internet_gateway_id
  }
}

resource "aws_main_route_table_association" "main" {
  vpc_id         = aws_vpc.provider.id
  route_table_id = aws_route_table.main.id
}

resource "aws_eip" "nat" {
  count      = 2
  domain     = "vpc"
  depends_on = [aws_internet_gateway_attachment.main]
}

resource "aws_nat_gateway" "public" {
  subnet_id                = aws_subnet.main.id
  allocation_id            = aws_eip.nat[0].id
  secondary_allocation_ids = var.secondary ? [aws_eip.nat[1].id] : []
}

resource "aws_nat_gateway" "private" {
  subnet_id                          = aws_subnet.main.id
  connectivity_type                  = "private"
  secondary_private_ip_address_count = 2
}

resource "aws_network_acl" "more" {
  vpc_id = aws_vpc.provider.id
}

resource "aws_network_acl_association" "more" {
  network_acl_id = aws_network_acl.more.id
  subnet_id      = aws_subnet.more.id
}

resource "aws_network_acl_rule" "more" {
  network_acl_id = aws_network_acl.more.id
  rule_number    = 100
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = "0.0.0.0/0"
  from_port      = 22
  to_port        = 22
}

resource "aws_security_group" "open" {
  name        = "open"
  description = "lets everything pass"
  vpc_id      = aws_vpc.provider.id
}

resource "aws_security_group_rule" "open" {
  for_each          = toset(["ingress", "egress"])
  security_group_id = aws_security_group.open.id
  type              = each.key
  protocol          = "-1"
  from_port         = 0
  to_port           = 0
  cidr_blocks       = ["0.0.0.0/0"]
}

resource "aws_vpc" "peer" {
  cidr_block = "10.82.0.0/16"
}

resource "aws_vpc_security_group_vpc_association" "peer" {
  security_group_id = aws_security_group.open.id
  vpc_id            = aws_vpc.peer.id
}

resource "aws_network_interface" "pair" {
  subnet_id   = aws_subnet.main.id
  private_ips = ["10.80.1.20", "10.80.1.21"]
}

resource "aws_network_interface_sg_attachment" "pair" {
  security_group_id    = aws_security_group.open.id
  network_interface_id = aws_network_interface.pair.id
}

resource "aws_eip" "pair" {
  domain = "vpc"
}

resource "aws_eip_association" "pair" {
  allocation_id        = aws_eip.pair.id
  network_interface_id = aws_network_interface.pair.id
  private_ip_address   = "10.80.1.21"
  depends_on           = [aws_internet_gateway_attachment.main]
}

resource "aws_route53_record" "mail" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "mail.${var.domain}"
  type    = "A"
  ttl     = 60
  records = [aws_eip.pair.public_ip]
}

resource "aws_eip_domain_name" "pair" {
  allocation_id = aws_eip.pair.allocation_id
  domain_name   = aws_route53_record.mail.fqdn
}

resource "aws_network_interface_permission" "pair" {
  network_interface_id = aws_network_interface.pair.id
  aws_account_id       = data.aws_caller_identity.consumer.account_id
  permission           = "EIP-ASSOCIATE"
}

resource "aws_vpc_block_public_access_options" "main" {
  internet_gateway_block_mode = "block-ingress"
}

resource "aws_vpc_block_public_access_exclusion" "peer" {
  vpc_id                          = aws_vpc.peer.id
  internet_gateway_exclusion_mode = "allow-egress"
}

resource "aws_ec2_subnet_cidr_reservation" "main" {
  cidr_block       = "10.80.1.128/28"
  reservation_type = "explicit"
  subnet_id        = aws_subnet.main.id
}

resource "aws_vpc_peering_connection" "peer" {
  vpc_id      = aws_vpc.provider.id
  peer_vpc_id = aws_vpc.peer.id
}

resource "aws_vpc_peering_connection_accepter" "peer" {
  vpc_peering_connection_id = aws_vpc_peering_connection.peer.id
  auto_accept               = true
}

resource "aws_vpc_peering_connection_options" "peer" {
  vpc_peering_connection_id = aws_vpc_peering_connection_accepter.peer.id
  requester { allow_remote_vpc_dns_resolution = true }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id       = aws_vpc.provider.id
  service_name = "com.amazonaws.${data.aws_region.current.name}.s3"
}

resource "aws_vpc_endpoint_route_table_association" "s3" {
  vpc_endpoint_id = aws_vpc_endpoint.s3.id
  route_table_id  = aws_route_table.main.id
}

resource "aws_vpc_endpoint_policy" "s3" {
  vpc_endpoint_id = aws_vpc_endpoint.s3.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = "*", Action = "s3:GetObject", Resource = "*" }]
  })
}

resource "aws_ec2_managed_prefix_list" "offices" {
  name           = "offices"
  address_family = "IPv4"
  max_entries    = 5
}

resource "aws_ec2_managed_prefix_list_entry" "offices" {
  for_each       = { home = "198.19.0.0/24", away = "198.19.1.0/24" }
  cidr           = each.value
  description    = each.key
  prefix_list_id = aws_ec2_managed_prefix_list.offices.id
}

# -- the service

resource "aws_lb" "service" {
  name               = "service"
  load_balancer_type = "network"
  internal           = true
  subnets            = [aws_subnet.main.id]
}

resource "aws_lb_target_group" "service" {
  name        = "service"
  target_type = "ip"
  port        = 8080
  protocol    = "TCP"
  vpc_id      = aws_vpc.provider.id
  health_check {
    interval            = 5
    timeout             = 2
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_target_group_attachment" "service" {
  target_group_arn = aws_lb_target_group.service.arn
  target_id        = "10.80.1.50"
}

resource "aws_lb_listener" "service" {
  load_balancer_arn = aws_lb.service.arn
  port              = 80
  protocol          = "TCP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.service.arn
  }
}

resource "aws_vpc_endpoint_service" "main" {
  acceptance_required        = true
  network_load_balancer_arns = [aws_lb.service.arn]
  private_dns_name           = "api.${var.domain}"
}

resource "aws_vpc_endpoint_service_allowed_principal" "consumer" {
  vpc_endpoint_service_id = aws_vpc_endpoint_service.main.id
  principal_arn           = "arn:aws:iam::${data.aws_caller_identity.consumer.account_id}:root"
}

resource "aws_sns_topic" "connections" {
  name = "connections"
}

resource "aws_vpc_endpoint_connection_notification" "main" {
  vpc_endpoint_service_id     = aws_vpc_endpoint_service.main.id
  connection_notification_arn = aws_sns_topic.connections.arn
  connection_events           = ["Accept", "Reject"]
}

resource "aws_route53_zone" "main" {
  name = var.domain
}

resource "aws_route53_record" "proof" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "${aws_vpc_endpoint_service.main.private_dns_name_configuration[0].name}.${var.domain}"
  type    = aws_vpc_endpoint_service.main.private_dns_name_configuration[0].type
  records = [aws_vpc_endpoint_service.main.private_dns_name_configuration[0].value]
  ttl     = 60
}

resource "aws_vpc_endpoint_service_private_dns_verification" "main" {
  service_id            = aws_vpc_endpoint_service.main.id
  wait_for_verification = true
  depends_on            = [aws_route53_record.proof]
}

# -- its consumer

resource "aws_vpc" "consumer" {
  provider             = aws.consumer
  cidr_block           = "10.80.0.0/16" # the provider's own addresses
  enable_dns_hostnames = true
}

resource "aws_subnet" "consumer" {
  provider          = aws.consumer
  vpc_id            = aws_vpc.consumer.id
  cidr_block        = "10.80.1.0/24"
  availability_zone = "us-east-1a"
}

resource "aws_vpc_endpoint" "service" {
  provider            = aws.consumer
  vpc_id              = aws_vpc.consumer.id
  service_name        = aws_vpc_endpoint_service.main.service_name
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [aws_subnet.consumer.id]
  private_dns_enabled = true
  depends_on = [
    aws_vpc_endpoint_service_allowed_principal.consumer, aws_vpc_endpoint_service_private_dns_verification.main,
  ]
}

resource "aws_security_group" "consumer" {
  provider    = aws.consumer
  name        = "endpoint"
  description = "lets everything pass"
  vpc_id      = aws_vpc.consumer.id
  ingress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_vpc_endpoint_security_group_association" "service" {
  provider                    = aws.consumer
  vpc_endpoint_id             = aws_vpc_endpoint.service.id
  security_group_id           = aws_security_group.consumer.id
  replace_default_association = true
}

resource "aws_vpc_endpoint_connection_accepter" "service" {
  vpc_endpoint_service_id = aws_vpc_endpoint_service.main.id
  vpc_endpoint_id         = aws_vpc_endpoint.service.id
}

# -- what the data sources say of all this

data "aws_vpcs" "all" { depends_on = [aws_vpc.provider, aws_vpc.peer, aws_default_vpc.default] }
data "aws_vpc" "provider" { id = aws_vpc.provider.id }
data "aws_subnet" "main" { id = aws_subnet.main.id }
data "aws_subnets" "provider" {
  filter {
    name   = "vpc-id"
    values = [aws_vpc.provider.id]
  }
  depends_on = [aws_subnet.main, aws_subnet.more]
}
data "aws_route_table" "main" { route_table_id = aws_main_route_table_association.main.route_table_id }
data "aws_route_tables" "provider" { vpc_id = aws_main_route_table_association.main.vpc_id }
data "aws_route" "internet" {
  route_table_id         = aws_route_table.main.id
  destination_cidr_block = "0.0.0.0/0"
}
data "aws_internet_gateway" "main" { internet_gateway_id = aws_internet_gateway_attachment.main.internet_gateway_id }
data "aws_nat_gateway" "public" { id = aws_nat_gateway.public.id }
data "aws_nat_gateways" "provider" {
  vpc_id     = aws_vpc.provider.id
  depends_on = [aws_nat_gateway.public, aws_nat_gateway.private]
}
data "aws_eip" "pair" { id = aws_eip_association.pair.allocation_id }
data "aws_eips" "all" { depends_on = [aws_eip_association.pair, aws_eip.nat] }
data "aws_network_acls" "provider" {
  vpc_id     = aws_vpc.provider.id
  depends_on = [aws_network_acl.more]
}
data "aws_security_group" "open" { id = aws_security_group.open.id }
data "aws_security_groups" "provider" {
  filter {
    name   = "vpc-id"
    values = [aws_vpc.provider.id]
  }
  depends_on = [aws_security_group.open]
}
data "aws_vpc_security_group_rules" "open" {
  filter {
    name   = "group-id"
    values = [aws_security_group.open.id]
  }
  depends_on = [aws_security_group_rule.open]
}
data "aws_network_interface" "pair" {
  id         = aws_network_interface_sg_attachment.pair.network_interface_id
  depends_on = [aws_eip_association.pair]
}
data "aws_vpc_endpoint" "s3" { id = aws_vpc_endpoint_route_table_association.s3.vpc_endpoint_id }
data "aws_vpc_endpoint_service" "own" { service_name = aws_vpc_endpoint_service.main.service_name }
data "aws_vpc_peering_connection" "peer" { id = aws_vpc_peering_connection_options.peer.id }
data "aws_vpc_peering_connections" "all" { depends_on = [aws_vpc_peering_connection_options.peer] }
data "aws_vpc_dhcp_options" "default" { dhcp_options_id = aws_default_vpc_dhcp_options.default.id }
data "aws_ec2_managed_prefix_list" "offices" {
  id         = aws_ec2_managed_prefix_list.offices.id
  depends_on = [aws_ec2_managed_prefix_list_entry.offices]
}
data "aws_ec2_managed_prefix_lists" "all" { depends_on = [aws_ec2_managed_prefix_list.offices] }
data "aws_prefix_list" "s3" { name = "com.amazonaws.${data.aws_region.current.name}.s3" }
data "aws_ec2_public_ipv4_pools" "none" {}

output "seen" {
  value = {
    vpcs      = length(data.aws_vpcs.all.ids)
    subnets   = length(data.aws_subnets.provider.ids)
    tables    = length(data.aws_route_tables.provider.ids)
    acls      = length(data.aws_network_acls.provider.ids)
    groups    = length(data.aws_security_groups.provider.ids)
    rules     = length(data.aws_vpc_security_group_rules.open.ids)
    nats      = length(data.aws_nat_gateways.provider.ids)
    addresses = length(data.aws_eips.all.allocation_ids)
    peerings  = length(data.aws_vpc_peering_connections.all.ids)
    entries   = length(data.aws_ec2_managed_prefix_list.offices.entries)
    pools     = length(data.aws_ec2_public_ipv4_pools.none.pool_ids)
    route     = data.aws_route.internet.gateway_id == aws_internet_gateway.main.id
    s3        = contains(data.aws_vpc_endpoint.s3.route_table_ids, aws_route_table.main.id)
    pair      = sort(data.aws_network_interface.pair.private_ips)
    owner     = data.aws_vpc_endpoint_service.own.owner
  }
}
output "provider_subnet" { value = aws_subnet.main.id }
output "provider_group" { value = aws_security_group.open.id }
output "consumer_subnet" { value = aws_subnet.consumer.id }
output "consumer_group" { value = aws_security_group.consumer.id }
output "mail_address" { value = aws_eip.pair.public_ip }
output "nat_addresses" { value = length(aws_nat_gateway.public.secondary_allocation_ids) }
