"""REST APIs by documents: definitions, stacks and the AWS CLI make them, and what AWS refuses is refused."""

import json

from rest_api_client import Apis, refusal


def test_definitions_go_in_and_come_out(apis):
    uri = apis.function()
    apis.make()
    paths = {f"/p{number}": {"get": {
        "responses": {"200": {"description": "ok"}},
        "x-amazon-apigateway-integration": {
            "type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200",
                                      "responseTemplates": {"application/json": f'{{"n": {number}}}'}}}}}}
        for number in range(297)}  # fmt: skip
    paths["/pets/{id}"] = {"post": {
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
        "responses": {"200": {"description": "ok"}},
        "security": [{"auth": []}], "x-amazon-apigateway-request-validator": "body",
        "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}}}  # fmt: skip
    document = {
        "openapi": "3.0.1", "info": {"title": "pets", "version": "1"}, "paths": paths,
        "x-amazon-apigateway-request-validators": {
            "body": {"validateRequestBody": True, "validateRequestParameters": False}},
        "components": {
            "schemas": {"Pet": {"type": "object", "required": ["parents"], "properties": {
                "parents": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}}}},
            "securitySchemes": {"auth": {
                "type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": uri}}}},
    }  # fmt: skip
    apis.v1.put_rest_api(restApiId=apis.api, mode="overwrite", body=json.dumps(document).encode())
    pages = apis.v1.get_paginator("get_resources").paginate(restApiId=apis.api)
    found = [each["path"] for page in pages for each in page["items"]]
    assert len(found) == 300  # 299 and the root
    apis.deploy()
    assert apis.ask("/dev/p296")[2] == {"n": 296}
    json_body = {"Content_Type": "application/json", "Authorization": "ok"}
    assert apis.refused("/dev/pets/1", "POST", "{}", **json_body)[0] == 400
    assert apis.refused("/dev/pets/1", "POST", '{"parents": [{}]}', **json_body)[0] == 400
    assert apis.ask("/dev/pets/1", "POST", '{"parents": []}', **json_body)[0] == 201

    for kind in ("oas30", "swagger"):
        exported = apis.v1.get_export(
            restApiId=apis.api, stageName="dev", exportType=kind, accepts="application/yaml",
            parameters={"extensions": "apigateway"},
        )["body"].read()  # fmt: skip
        again = Apis(apis.kunren, apis.account, apis.until)
        again.api = apis.v1.import_rest_api(body=exported)["id"]
        again.deploy()
        assert again.ask("/dev/p1")[2] == {"n": 1}
        assert again.refused("/dev/pets/1", "POST", '{"parents": [{}]}', **json_body)[0] == 400
        assert again.ask("/dev/pets/1", "POST", '{"parents": []}', **json_body)[0] == 201

    before = apis.v1.get_rest_apis(limit=500)["items"]
    for bad in (b"{", b"[]", b'{"openapi": "3.0.1", "info": {"title": "x"}, "paths": {"/a": {"get": 3}}}',
                b"a: " + b"[" * 10_000, b"x: &x [*x]", b"#" * (6 * 1024 * 1024 + 1)):  # fmt: skip
        assert refusal(apis.v1.import_rest_api, body=bad)[0] == "BadRequestException"
    many = {**document, "paths": {**paths, "/one": {}, "/two": {}}}
    code, text = refusal(apis.v1.import_rest_api, body=json.dumps(many).encode())
    assert (code, "Maximum number of resources" in text) == ("LimitExceededException", True)
    assert [each["id"] for each in apis.v1.get_rest_apis(limit=500)["items"]] == [each["id"] for each in before]


def test_refusals_are_awss_and_change_nothing(apis):
    apis.make()
    v1, at = apis.v1, {"restApiId": apis.api}
    pets = apis.resource("pets")
    assert refusal(v1.get_rest_api, restApiId="none") == (
        "NotFoundException", f"Invalid API identifier specified {apis.account}:none",
    )  # fmt: skip
    assert refusal(v1.create_resource, **at, parentId=apis.root, pathPart="pets") == (
        "ConflictException", "Another resource with the same parent already has this name: pets",
    )  # fmt: skip
    apis.resource("{id}", pets)
    assert refusal(v1.create_resource, **at, parentId=pets, pathPart="{other}") == (
        "BadRequestException",
        "A sibling ({id}) of this resource already has a variable path part -- only one is allowed",
    )  # fmt: skip
    assert refusal(v1.create_resource, **at, parentId=pets, pathPart="a/b")[0] == "BadRequestException"
    assert refusal(v1.create_resource, **at, parentId="none", pathPart="x") == (
        "NotFoundException", "Invalid Resource identifier specified",
    )  # fmt: skip
    assert refusal(v1.create_deployment, **at) == (
        "BadRequestException", "The REST API doesn't contain any methods",
    )  # fmt: skip
    v1.put_method(**at, resourceId=pets, httpMethod="GET", authorizationType="NONE")
    assert refusal(v1.create_deployment, **at)[1] == "No integration defined for method"
    one = {**at, "resourceId": pets, "httpMethod": "GET"}
    assert refusal(v1.put_method, **one, authorizationType="NONE") == (
        "ConflictException", "Method already exists for this resource",
    )  # fmt: skip
    assert refusal(v1.put_integration, **one, type="HTTP", uri="http://x.test")[1] == (
        "Enumeration value for HttpMethod must be non-empty"
    )
    assert refusal(v1.put_integration, **one, type="HTTP", integrationHttpMethod="GET", uri="x")[1] == (
        "Invalid HTTP endpoint specified for URI"
    )
    assert refusal(v1.put_integration, **one, type="MOCK", timeoutInMillis=30_000)[1] == (
        "Timeout should be between 50 ms and 29000 ms"
    )
    bad = [{"op": "replace", "path": "/wrong", "value": "x"}]
    code, text = refusal(v1.update_rest_api, **at, patchOperations=bad)
    assert code == "BadRequestException"
    assert text.startswith("Invalid patch path '/wrong' specified for op 'replace'. Must be one of: [/name, ")
    for params, named in (({"name": "p", "endpointConfiguration": {"types": ["PRIVATE"]}}, "private endpoint"),):
        code, text = refusal(v1.create_rest_api, **params)
        assert (code, named in text) == ("NotImplemented", True)
    code, text = refusal(v1.create_authorizer, **at, name="pool", type="COGNITO_USER_POOLS", providerARNs=["arn:x"])
    assert (code, "COGNITO_USER_POOLS" in text) == ("NotImplemented", True)
    v1.delete_rest_api(**at)
    assert refusal(v1.get_resources, **at)[0] == "NotFoundException"


def test_the_aws_cli_makes_an_api(apis):
    def aws(*arguments):
        return apis.kunren.exec("aws", *arguments).stdout

    made = json.loads(
        aws("apigateway", "create-rest-api", "--name", "cli", "--endpoint-configuration", "types=REGIONAL")
    )
    apis.api, apis.root = made["id"], made["rootResourceId"]
    at = ("--rest-api-id", made["id"])
    one = (*at, "--resource-id", made["rootResourceId"], "--http-method", "GET")
    aws("apigateway", "put-method", *one, "--authorization-type", "NONE")
    aws("apigateway", "put-integration", *one, "--type", "MOCK", "--request-templates",
        '{"application/json": "{\\"statusCode\\": 200}"}')  # fmt: skip
    aws("apigateway", "put-method-response", *one, "--status-code", "200")
    aws("apigateway", "put-integration-response", *one, "--status-code", "200")
    aws("apigateway", "create-deployment", *at, "--stage-name", "live")
    aws("apigateway", "update-stage", *at, "--stage-name", "live", "--patch-operations",
        "op=replace,path=/variables/a,value=b")  # fmt: skip
    told = json.loads(aws("apigateway", "get-stage", *at, "--stage-name", "live"))
    assert told["variables"] == {"a": "b"}
    assert apis.ask("/live")[0] == 200


STACK = """
Parameters: {Greeting: {Type: String, Default: hello}}
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.11
      Handler: index.handler
      Role: !Sub "arn:aws:iam::${AWS::AccountId}:role/any"
      Code: {ZipFile: "def handler(event, context):\\n    return {'statusCode': 200, 'body': event['resource']}\\n"}
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref Function
      Principal: apigateway.amazonaws.com
      SourceArn: !Sub "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: pets, EndpointConfiguration: {Types: [REGIONAL]}}}
  Pets: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: pets}}
  Pet: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, ParentId: !Ref Pets, PathPart: "{proxy+}"}}
  Ask:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Pet
      HttpMethod: ANY
      AuthorizationType: NONE
      Integration:
        Type: AWS_PROXY
        IntegrationHttpMethod: POST
        Uri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
  Greet:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Pets
      HttpMethod: GET
      AuthorizationType: NONE
      ApiKeyRequired: true
      MethodResponses: [{StatusCode: "200"}]
      Integration:
        Type: MOCK
        RequestTemplates: {application/json: '{"statusCode": 200}'}
        IntegrationResponses:
          - {StatusCode: "200", ResponseTemplates: {application/json: !Sub '"${Greeting} $stageVariables.who"'}}
  DeploymentNUMBER: {Type: AWS::ApiGateway::Deployment, DependsOn: [Ask, Greet], Properties: {RestApiId: !Ref Api}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties:
      RestApiId: !Ref Api
      StageName: live
      DeploymentId: !Ref DeploymentNUMBER
      Variables: {who: !Ref Greeting}
      MethodSettings: [{ResourcePath: /*, HttpMethod: "*", ThrottlingRateLimit: 100, ThrottlingBurstLimit: 50}]
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties: {ApiStages: [{ApiId: !Ref Api, Stage: !Ref Stage}], Quota: {Limit: 100, Period: MONTH}}
  Key: {Type: AWS::ApiGateway::ApiKey, Properties: {Enabled: true, Value: key-of-twenty-characters}}
  Member: {Type: AWS::ApiGateway::UsagePlanKey, Properties: {UsagePlanId: !Ref Plan, KeyId: !Ref Key, KeyType: API_KEY}}
Outputs: {Api: {Value: !Ref Api}}
"""


def test_a_stack_makes_changes_and_deletes_an_api(apis):
    stacks, key = apis.client("cloudformation"), "key-of-twenty-characters"

    def settled(wanted):
        def done():
            found = stacks.describe_stacks(StackName=id)["Stacks"][0]
            assert found["StackStatus"] in (wanted, wanted.replace("COMPLETE", "IN_PROGRESS"), "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), [
                (each["LogicalResourceId"], each.get("ResourceStatusReason"))
                for each in stacks.describe_stack_events(StackName=id)["StackEvents"]
                if "FAILED" in each["ResourceStatus"]
            ]  # fmt: skip
            return found["StackStatus"] == wanted and found

        return apis.until(done, wanted, 90)

    id = stacks.create_stack(StackName="pets", TemplateBody=STACK.replace("NUMBER", "1"))["StackId"]
    apis.api = settled("CREATE_COMPLETE")["Outputs"][0]["OutputValue"]
    assert apis.ask("/live/pets/1")[::2] == (200, b"/pets/{proxy+}")
    assert apis.ask("/live/pets", X_Api_Key=key)[2] == "hello hello"
    assert apis.ask("/live/pets")[0] == 403
    stacks.update_stack(
        StackName=id, TemplateBody=STACK.replace("NUMBER", "2"),
        Parameters=[{"ParameterKey": "Greeting", "ParameterValue": "bye"}],
    )  # fmt: skip
    settled("UPDATE_COMPLETE")
    assert apis.ask("/live/pets", X_Api_Key=key)[2] == "bye bye"
    stacks.delete_stack(StackName=id)
    settled("DELETE_COMPLETE")
    assert apis.v1.get_rest_apis()["items"] == []
    assert apis.v1.get_usage_plans()["items"] == []
