// The redirect service: one stack for each architecture. Deploy one of them.
//
//   npm install && npx cdk bootstrap
//   npx cdk deploy redirect-s3-website
//   npx cdk deploy redirect-alb -c domains=my-domains.json

'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const {App, CfnOutput, RemovalPolicy, Stack} = require('aws-cdk-lib');
const acm = require('aws-cdk-lib/aws-certificatemanager');
const apigateway = require('aws-cdk-lib/aws-apigatewayv2');
const cloudfront = require('aws-cdk-lib/aws-cloudfront');
const ec2 = require('aws-cdk-lib/aws-ec2');
const elb = require('aws-cdk-lib/aws-elasticloadbalancingv2');
const lambda = require('aws-cdk-lib/aws-lambda');
const route53 = require('aws-cdk-lib/aws-route53');
const s3 = require('aws-cdk-lib/aws-s3');
const targets = require('aws-cdk-lib/aws-route53-targets');
const {HttpLambdaIntegration} = require('aws-cdk-lib/aws-apigatewayv2-integrations');
const {HttpOrigin} = require('aws-cdk-lib/aws-cloudfront-origins');
const {LambdaTarget} = require('aws-cdk-lib/aws-elasticloadbalancingv2-targets');

const EXAMPLE = path.dirname(__dirname);
const NOT_FOUND = {contentType: 'text/plain', messageBody: 'No such domain here.\n'};

/** The document's entries, with what they leave out: `../document.py` has what is allowed. */
function read(file) {
  return Object.entries(JSON.parse(fs.readFileSync(file, 'utf8'))).map(([domain, target]) => ({
    domain, status: 301, carry_path: false, carry_query: false,
    ...(typeof target === 'string' ? {url: target} : target),
  }));
}

/** What all architectures have: a zone for each domain, and an alias record in it. */
class Redirects extends Stack {
  constructor(app, architecture, redirects) {
    const env = {region: 'us-east-1'}; // where CloudFront's certificates and functions are
    super(app, `redirect-${architecture}`, {env, description: `Redirects of domains, by ${architecture}`});
    this.redirects = redirects;
    this.domains = redirects.map((each) => each.domain);
    this.zones = Object.fromEntries(this.domains.map((domain) => [
      domain, new route53.PublicHostedZone(this, `Zone ${domain}`, {zoneName: domain, comment: this.stackName}),
    ]));
  }

  /** ACM proves the domains by records that stay in the zones, which then can't be deleted. */
  certificates(each) {
    const proved = (id, names) => new acm.Certificate(this, id, {
      domainName: names[0], keyAlgorithm: acm.KeyAlgorithm.EC_PRIME256V1,
      ...(names.length > 1 && {subjectAlternativeNames: names.slice(1)}),
      validation: acm.CertificateValidation.fromDnsMultiZone(this.zones),
    });
    for (const zone of Object.values(this.zones)) zone.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
    return each ? this.domains.map((domain) => proved(`Certificate ${domain}`, [domain])) : proved('Certificate', this.domains);
  }

  point(domain, target) {
    new route53.ARecord(this, `Record ${domain}`, {
      zone: this.zones[domain], target: route53.RecordTarget.fromAlias(target),
    });
  }

  /** A function's code, with the document beside it. */
  bundle(file) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'redirect-'));
    process.on('exit', () => fs.rmSync(folder, {recursive: true, force: true}));
    fs.copyFileSync(path.join(EXAMPLE, file), path.join(folder, file));
    const entries = this.redirects.map(({domain, ...target}) => [domain, target]);
    fs.writeFileSync(path.join(folder, 'domains.json'), JSON.stringify(Object.fromEntries(entries)));
    return lambda.Code.fromAsset(folder);
  }

  handler(name) {
    return new lambda.Function(this, 'Function', {
      runtime: lambda.Runtime.PYTHON_3_13, handler: `${name}.handler`, code: this.bundle(`${name}.py`),
    });
  }

  balancer(action) {
    const vpc = new ec2.Vpc(this, 'Vpc', {
      maxAzs: 2, natGateways: 0, subnetConfiguration: [{name: 'public', subnetType: ec2.SubnetType.PUBLIC}],
    });
    const balancer = new elb.ApplicationLoadBalancer(this, 'Balancer', {vpc, internetFacing: true});
    const certificates = this.certificates(true);
    const listeners = [
      balancer.addListener('Http', {port: 80, ...action}), balancer.addListener('Https', {port: 443, certificates, ...action}),
    ];
    for (const domain of this.domains) this.point(domain, new targets.LoadBalancerTarget(balancer));
    new CfnOutput(this, 'Name', {value: balancer.loadBalancerDnsName});
    return listeners;
  }

  distribution(behavior) {
    const distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: this.stackName,
      domainNames: this.domains,
      certificate: this.certificates(false),
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      minimumProtocolVersion: cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
      defaultBehavior: {
        origin: new HttpOrigin('origin.example.com'), // never asked: the function answers every request
        cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED,
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.ALLOW_ALL,
        ...behavior,
      },
    });
    for (const domain of this.domains) this.point(domain, new targets.CloudFrontTarget(distribution));
    new CfnOutput(this, 'Name', {value: distribution.distributionDomainName});
  }
}

const ARCHITECTURES = {
  'alb': (stack) => {
    const listeners = stack.balancer({defaultAction: elb.ListenerAction.fixedResponse(404, NOT_FOUND)});
    stack.redirects.forEach(({domain, url, status, carry_path, carry_query}, number) => {
      const target = new URL(url);
      const action = elb.ListenerAction.redirect({
        protocol: 'HTTPS', host: target.hostname, port: target.port || '443', permanent: status === 301,
        path: carry_path ? `${target.pathname.replace(/\/$/, '')}/#{path}` : target.pathname,
        query: carry_query ? '#{query}' : target.search.slice(1),
      });
      for (const listener of listeners) {
        listener.addAction(`Rule ${domain}`, {
          priority: number + 1, conditions: [elb.ListenerCondition.hostHeaders([domain])], action,
        });
      }
    });
  },

  'alb-lambda': (stack) => {
    const group = new elb.ApplicationTargetGroup(stack, 'Group', {
      targetType: elb.TargetType.LAMBDA, multiValueHeadersEnabled: true, targets: [new LambdaTarget(stack.handler('redirect_function'))],
    });
    stack.balancer({defaultTargetGroups: [group]});
  },

  'api-gateway': (stack) => {
    const defaultIntegration = new HttpLambdaIntegration('Ask', stack.handler('redirect_api_function'));
    const api = new apigateway.HttpApi(stack, 'Api', {defaultIntegration});
    stack.certificates(true).forEach((certificate, number) => {
      const domain = stack.domains[number];
      const name = new apigateway.DomainName(stack, `Name ${domain}`, {domainName: domain, certificate});
      new apigateway.ApiMapping(stack, `Mapping ${domain}`, {api, domainName: name});
      stack.point(domain, new targets.ApiGatewayv2DomainProperties(name.regionalDomainName, name.regionalHostedZoneId));
    });
    new CfnOutput(stack, 'Name', {value: api.apiEndpoint});
  },

  'cloudfront-function': (stack) => {
    const data = stack.redirects.map(({domain, ...target}) => ({key: domain, value: JSON.stringify(target)}));
    const keyValueStore = new cloudfront.KeyValueStore(stack, 'Store', {
      source: cloudfront.ImportSource.fromInline(JSON.stringify({data})),
    });
    const answers = new cloudfront.Function(stack, 'Function', {
      keyValueStore, runtime: cloudfront.FunctionRuntime.JS_2_0,
      code: cloudfront.FunctionCode.fromFile({filePath: path.join(EXAMPLE, 'redirect_edge.js')}),
    });
    const eventType = cloudfront.FunctionEventType.VIEWER_REQUEST;
    stack.distribution({functionAssociations: [{function: answers, eventType}]});
  },

  'cloudfront-lambda-edge': (stack) => {
    const functionVersion = stack.handler('redirect_edge_function').currentVersion;
    const eventType = cloudfront.LambdaEdgeEventType.VIEWER_REQUEST;
    stack.distribution({edgeLambdas: [{functionVersion, eventType}]});
  },

  's3-website': (stack) => {
    for (const {domain, url, status, carry_path, carry_query} of stack.redirects) {
      const target = new URL(url);
      const protocol = target.protocol === 'https:' ? s3.RedirectProtocol.HTTPS : s3.RedirectProtocol.HTTP;
      const key = target.pathname.slice(1);
      // only this carries the query string; what it can't do, `../deploy_s3_website.py` names
      const everything = carry_path && carry_query && status === 301 && !key && !target.search;
      const bucket = new s3.Bucket(stack, `Bucket ${domain}`, {
        bucketName: domain,
        removalPolicy: RemovalPolicy.DESTROY,
        ...(everything ? {websiteRedirect: {hostName: target.host, protocol}} : {
          websiteIndexDocument: 'index.html',
          websiteRoutingRules: [{
            hostName: target.host, protocol, httpRedirectCode: String(status),
            replaceKey: carry_path
              ? s3.ReplaceKey.prefixWith(key && !key.endsWith('/') ? `${key}/` : key)
              : s3.ReplaceKey.with(key + target.search),
          }],
        }),
      });
      stack.point(domain, new targets.BucketWebsiteTarget(bucket));
    }
    new CfnOutput(stack, 'Name', {value: 's3-website-us-east-1.amazonaws.com'});
  },
};

const app = new App();
const redirects = read(app.node.tryGetContext('domains') || path.join(EXAMPLE, 'domains.json'));
const chosen = app.node.tryGetContext('architecture'); // only that one, which is sooner
for (const [architecture, build] of Object.entries(ARCHITECTURES)) {
  if (!chosen || chosen === architecture) build(new Redirects(app, architecture, redirects));
}
