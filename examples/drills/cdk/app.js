// Architectures of drills on ECS. A drill deploys what the CDK synthesises:
//
//   npm install && npx cdk synth --quiet
//   kunren drill run rolling-bad --template cdk.out/rolling-bad.template.json

'use strict';

const fs = require('node:fs');
const path = require('node:path');

const {App, CfnCondition, CfnOutput, CfnParameter, DefaultStackSynthesizer, Duration, Fn, Stack} = require('aws-cdk-lib');
const ec2 = require('aws-cdk-lib/aws-ec2');
const ecs = require('aws-cdk-lib/aws-ecs');
const elb = require('aws-cdk-lib/aws-elasticloadbalancingv2');

const PROGRAM = fs.readFileSync(path.join(__dirname, '../../../kunren/drills/shipped/web.py'), 'utf8');
const IMAGE = ecs.ContainerImage.fromRegistry('public.ecr.aws/docker/library/python:3');

/** A load balancer, a cluster, and two versions of what runs there. */
class Site extends Stack {
  constructor(app, name) {
    // neither assets nor the CDK's bootstrapped roles are needed: any tool can deploy the template
    super(app, name, {synthesizer: new DefaultStackSynthesizer({generateBootstrapVersionRule: false})});
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      maxAzs: 2, natGateways: 0, subnetConfiguration: [{name: 'public', subnetType: ec2.SubnetType.PUBLIC}],
    });
    this.cluster = new ecs.Cluster(this, 'Cluster', {vpc: this.vpc});
    this.balancer = new elb.ApplicationLoadBalancer(this, 'Balancer', {vpc: this.vpc, internetFacing: true});
  }

  version(id, environment, program = PROGRAM) {
    const definition = new ecs.FargateTaskDefinition(this, id, {cpu: 256, memoryLimitMiB: 512});
    definition.addContainer('web', {
      image: IMAGE, command: ['python3', '-c', program], environment, portMappings: [{containerPort: 80}],
      stopTimeout: Duration.seconds(30),
    });
    return definition;
  }

  group(id, delay) {
    return new elb.ApplicationTargetGroup(this, id, {
      vpc: this.vpc, port: 80, targetType: elb.TargetType.IP, deregistrationDelay: Duration.seconds(delay),
      healthCheck: {path: '/health', interval: Duration.seconds(10), healthyThresholdCount: 2, unhealthyThresholdCount: 2},
    });
  }

  /** What the drill asks for. */
  gives(service, good, bad) {
    service.connections.allowFrom(this.balancer, ec2.Port.tcp(80));
    const values = {
      Name: this.balancer.loadBalancerDnsName, Cluster: this.cluster.clusterName, Service: service.serviceName,
      Good: good.taskDefinitionArn, Bad: bad.taskDefinitionArn,
    };
    for (const [key, value] of Object.entries(values)) new CfnOutput(this, `${key}Value`, {value}).overrideLogicalId(key);
  }
}

function rollingBad(app) {
  const site = new Site(app, 'rolling-bad');
  const breaker = new CfnParameter(site, 'Breaker', {default: 'on', allowedValues: ['on', 'off']});
  const watched = new CfnCondition(site, 'Watched', {expression: Fn.conditionEquals(breaker.valueAsString, 'on')});
  const told = {SLOW_MS: '20', AT_ONCE: '1'};
  const good = site.version('Good', {VERSION: 'one', ...told});
  const bad = site.version('Bad', {VERSION: 'two', ...told}, "raise SystemExit('this version does not start')");
  const service = new ecs.FargateService(site, 'Service', {
    cluster: site.cluster, taskDefinition: good, desiredCount: 4, assignPublicIp: true,
    minHealthyPercent: 25, maxHealthyPercent: 100, circuitBreaker: {enable: true, rollback: true},
  });
  for (const each of ['Enable', 'Rollback']) {
    const property = `DeploymentConfiguration.DeploymentCircuitBreaker.${each}`;
    service.node.defaultChild.addPropertyOverride(property, Fn.conditionIf(watched.logicalId, true, false));
  }
  const group = site.group('Group', 5);
  site.balancer.addListener('Listener', {port: 80, defaultTargetGroups: [group]});
  service.attachToApplicationTargetGroup(group);
  site.gives(service, good, bad);
}

function blueGreenGood(app) {
  const site = new Site(app, 'blue-green-good');
  const strategy = new CfnParameter(site, 'Strategy', {default: 'BLUE_GREEN', allowedValues: ['BLUE_GREEN']});
  const bake = new CfnParameter(site, 'BakeMinutes', {type: 'Number', default: 1});
  const [good, bad] = ['one', 'two'].map((VERSION) => site.version(`Version ${VERSION}`, {VERSION, SLOW_MS: '100'}));
  const [blue, green] = ['Blue', 'Green'].map((id) => site.group(id, 10));
  const listener = site.balancer.addListener('Listener', {port: 80, defaultTargetGroups: [blue]});
  const rule = new elb.ApplicationListenerRule(site, 'Rule', { // ECS moves its weights
    listener, priority: 10, conditions: [elb.ListenerCondition.pathPatterns(['/*'])],
    action: elb.ListenerAction.weightedForward([{targetGroup: blue, weight: 100}, {targetGroup: green, weight: 0}]),
  });
  const service = new ecs.FargateService(site, 'Service', {
    cluster: site.cluster, taskDefinition: good, desiredCount: 2, assignPublicIp: true, minHealthyPercent: 100,
    deploymentStrategy: ecs.DeploymentStrategy.BLUE_GREEN, bakeTime: Duration.minutes(1),
  });
  service.node.defaultChild.addPropertyOverride('DeploymentConfiguration.Strategy', strategy.valueAsString);
  service.node.defaultChild.addPropertyOverride('DeploymentConfiguration.BakeTimeInMinutes', bake.valueAsNumber);
  const productionListener = ecs.ListenerRuleConfiguration.applicationListenerRule(rule);
  const alternateTarget = new ecs.AlternateTarget('Green', {alternateTargetGroup: green, productionListener});
  blue.addTarget(service.loadBalancerTarget({containerName: 'web', containerPort: 80, alternateTarget}));
  service.node.addDependency(rule);
  site.gives(service, good, bad);
}

const app = new App();
rollingBad(app);
blueGreenGood(app);
