"""A CloudFront Function chooses the origin of each request."""

from __future__ import annotations

import json

NO_CACHING = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CODE = b"""
import cf from 'cloudfront';
function handler(event) {
  const request = event.request;
  if (request.uri === '/moved') cf.updateRequestOrigin({originPath: '/deep', customHeaders: {'x-chosen': 'yes'}});
  if (request.uri === '/lost') cf.selectRequestOriginById('lost');
  if (request.uri === '/safe') cf.createRequestOriginGroup({
    originIds: [{originId: 'lost'}, {originId: 'web'}], failoverCriteria: {statusCodes: [502]},
  });
  if (request.uri === '/wrong') cf.selectRequestOriginById('nobody');
  return request;
}
"""


def test_a_function_changes_the_origin_takes_another_or_makes_a_group(delivered):
    api, name = delivered.api, "chooser-" + delivered.account
    config = {"Comment": "", "Runtime": "cloudfront-js-2.0"}
    made = api.create_function(Name=name, FunctionConfig=config, FunctionCode=CODE)
    arn = made["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
    api.publish_function(Name=name, IfMatch=made["ETag"])
    lost = {**delivered.origin, "Id": "lost", "DomainName": "nobody.example.com"}
    events = {"Quantity": 1, "Items": [{"FunctionARN": arn, "EventType": "viewer-request"}]}
    delivered.create(
        origins=[lost], DefaultCacheBehavior=delivered.behaviour(policy=NO_CACHING, FunctionAssociations=events)
    )
    plain, moved, safe = (json.loads(delivered.get(path)["body"]) for path in ("/plain", "/moved", "/safe"))
    assert [each["path"] for each in (plain, moved, safe)] == ["/plain", "/deep/moved", "/safe"]
    assert ("x-chosen" in dict(plain["headers"]), dict(moved["headers"])["x-chosen"]) == (False, "yes")
    assert delivered.get("/lost")["status"] == 502
    assert delivered.get("/wrong")["status"] == 502
