"""The function behind the load balancer: looks the Host header up in domains.json and answers with a redirect."""

import json
from pathlib import Path

DOMAINS = json.loads(Path(__file__).with_name("domains.json").read_text())


def handler(event, context):
    """An Application Load Balancer event in, a redirect (or 404) out."""
    host = event["multiValueHeaders"].get("host", [""])[0].split(":")[0].lower().rstrip(".")
    target = DOMAINS.get(host)
    if target is None:
        return answer(404, "No such domain here.\n")
    location = target["url"]
    if target["carry_path"]:
        # the target's path, then the request's; the query of the target stays behind both
        location, question, query = location.partition("?")
        location = location.rstrip("/") + event["path"] + question + query
    if target["carry_query"]:
        parameters = event.get("multiValueQueryStringParameters") or {}
        query = "&".join(f"{key}={value}" for key, values in parameters.items() for value in values)
        location += f"?{query}" if query else ""
    return answer(target["status"], "", location)


def answer(status, body, location=None):
    headers = {"Content-Type": ["text/plain"]}
    if location is not None:
        headers["Location"] = [location]
    reason = {301: "301 Moved Permanently", 302: "302 Found", 404: "404 Not Found"}[status]
    return {"statusCode": status, "statusDescription": reason, "multiValueHeaders": headers, "body": body}
