"""The function at the edge: looks the Host header up in domains.json and answers with a redirect."""

import json
from pathlib import Path

DOMAINS = json.loads(Path(__file__).with_name("domains.json").read_text())


def handler(event, context):
    """A CloudFront viewer-request event in, a redirect (or 404) out."""
    request = event["Records"][0]["cf"]["request"]
    host = request["headers"]["host"][0]["value"].split(":")[0].lower()
    target = DOMAINS.get(host)
    if target is None:
        return {"status": "404", "statusDescription": "Not Found"}
    location = target["url"]
    if target["carry_path"]:
        # the target's path, then the request's; the query of the target stays behind both
        location, question, query = location.partition("?")
        location = location.rstrip("/") + request["uri"] + question + query
    if target["carry_query"] and request["querystring"]:
        location += "?" + request["querystring"]
    return {
        "status": str(target["status"]),
        "statusDescription": {301: "Moved Permanently", 302: "Found"}[target["status"]],
        "headers": {"location": [{"key": "Location", "value": location}]},
    }
