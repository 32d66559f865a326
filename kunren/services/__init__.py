"""The services that are Kunren's own: AWS's folder name in botocore → where the class is whose methods answer."""

SERVICES: dict[str, str] = {
    "acm": "kunren.services.acm.api:AcmApi",
    "apigateway": "kunren.services.apigateway.api:ApiGatewayApi",
    "apigatewayv2": "kunren.services.apigatewayv2.api:ApiGatewayV2Api",
    "arc-zonal-shift": "kunren.services.arc_zonal_shift.api:ArcZonalShiftApi",
    "autoscaling": "kunren.services.autoscaling.api:AutoScalingApi",
    "cloudformation": "kunren.services.cloudformation.api:CloudFormationApi",
    "cloudfront": "kunren.services.cloudfront.api:CloudFrontApi",
    "cloudfront-keyvaluestore": "kunren.services.cloudfront.key_values.api:KeyValueStoreApi",
    "codedeploy": "kunren.services.codedeploy.api:CodeDeployApi",
    "ec2": "kunren.services.ec2.api:Ec2Api",
    "ecs": "kunren.services.ecs.api:EcsApi",
    "elbv2": "kunren.services.elbv2.api:Elbv2Api",
    "fis": "kunren.services.fis.api:FisApi",
    "globalaccelerator": "kunren.services.globalaccelerator.api:GlobalAcceleratorApi",
    "lambda": "kunren.services.lambda_.api:LambdaApi",
    "resiliencehub": "kunren.services.resiliencehub.api:ResilienceHubApi",
    "route53": "kunren.services.route53.api:Route53Api",
    "route53-recovery-cluster": "kunren.services.recovery_control.cluster_api:ClusterApi",
    "route53-recovery-control-config": "kunren.services.recovery_control.config_api:ConfigApi",
    "s3": "kunren.services.s3.api:S3Api",
}
