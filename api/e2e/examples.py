"""Holds the examples of an OpenAPI document against their schemas."""

import json
import sys

from openapi_schema_validator import OAS31Validator

with open(sys.argv[1]) as f:
    document = json.load(f)

checked = 0
faults = []


def check(where, schema, value):
    global checked
    checked += 1
    # References begin at the root of the document.
    for error in OAS31Validator({**schema, "components": document["components"]}).iter_errors(value):
        faults.append(f"{where}: {error.json_path}: {error.message}"[:300])


def contents(where, content):
    for kind, media in (content or {}).items():
        for name, example in media.get("examples", {}).items():
            check(f"{where} {kind} {name}", media["schema"], example["value"])


for path, item in document["paths"].items():
    for method, operation in item.items():
        where = f"{method.upper()} {path}"
        for parameter in operation.get("parameters", []):
            if "example" in parameter:
                check(f"{where} {parameter['name']}", parameter["schema"], parameter["example"])
        contents(f"{where} request", operation.get("requestBody", {}).get("content"))
        for status, answer in operation["responses"].items():
            contents(f"{where} {status}", answer.get("content"))
for name, answer in document["components"]["responses"].items():
    contents(name, answer["content"])

print("\n".join(faults) or f"ok {checked} examples are what their schemas say")
sys.exit(1 if faults or checked < 50 else 0)
