"""The function behind the HTTP API: looks the host name up in domains.json and answers with a redirect."""

import json
from pathlib import Path
from urllib.parse import quote

DOMAINS = json.loads(Path(__file__).with_name("domains.json").read_text())


def handler(event, context):
    """An event of payload format 2.0 in, a redirect (or 404) out."""
    target = DOMAINS.get(event["requestContext"]["domainName"])
    if target is None:
        return {"statusCode": 404, "headers": {"Content-Type": "text/plain"}, "body": "No such domain here.\n"}
    location = target["url"]
    if target["carry_path"]:
        # the target's path, then the request's; the query of the target stays behind both
        location, question, query = location.partition("?")
        location = location.rstrip("/") + quote(event["rawPath"], safe="/:@!$&'()*+,;=-._~") + question + query
    if target["carry_query"] and event["rawQueryString"]:
        location += f"?{event['rawQueryString']}"
    return {"statusCode": target["status"], "headers": {"Location": location, "Content-Type": "text/plain"}}
