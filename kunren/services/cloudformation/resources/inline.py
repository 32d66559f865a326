"""The module that functions written inside a template find beside them: it sends a custom resource's answer.

Written from AWS's description of it ("cfn-response module"): `send(event, context, status, data, physicalResourceId,
noEcho, reason)`, `SUCCESS` and `FAILED`.
"""

from __future__ import annotations

_PYTHON = """
import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(event, context, responseStatus, responseData, physicalResourceId=None, noEcho=False, reason=None):
    body = json.dumps({
        "Status": responseStatus,
        "Reason": reason or "See the details in CloudWatch Log Stream: " + str(context.log_stream_name),
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""})
    with urllib.request.urlopen(request) as answer:
        print("Status code:", answer.status)
"""

_NODEJS = """
const https = require("https");

exports.SUCCESS = "SUCCESS";
exports.FAILED = "FAILED";

exports.send = function (event, context, responseStatus, responseData, physicalResourceId, noEcho) {
  const body = JSON.stringify({
    Status: responseStatus,
    Reason: "See the details in CloudWatch Log Stream: " + context.logStreamName,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: responseData,
  });
  const where = new URL(event.ResponseURL);
  const options = {
    hostname: where.hostname, port: 443, path: where.pathname + where.search, method: "PUT",
    headers: { "content-type": "", "content-length": Buffer.byteLength(body) },
  };
  const request = https.request(options, () => context.done());
  request.on("error", () => context.done());
  request.write(body);
  request.end();
};
"""

RESPONSE_MODULES = {"python": ("cfnresponse.py", _PYTHON), "nodejs": ("node_modules/cfn-response.js", _NODEJS)}
