"""What schemathesis has to know of tidegate that a description cannot say."""

import json
import os
import urllib.request

import schemathesis

ME = os.environ["ME"]  # email address of who asks
PASSWORD = os.environ["PASSWORD"]
BASE = os.environ["BASE"]
DEVICE = (os.environ["DEVICE"], os.environ["DEVICE_SECRET"])


def login(who=ME):
    request = urllib.request.Request(
        BASE + "/api/v1/auth/login",
        json.dumps({"email": who, "password": PASSWORD}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


# Once: the guesses of the run itself are soon too many for another login.
SESSION = login()
# What ends sessions is asked by somebody else, who is then out: 401 is an answer too.
OTHER = login("vera@example.org" if ME.startswith("ann@") else "ann@example.org")
ENDS = ("/auth/logout", "/me/sessions", "/me/sessions/{id}", "/me/password")
MINE = {ME, SESSION["user"]["id"], DEVICE[0]}


@schemathesis.auth()
class Login:
    def get(self, case, context):
        return SESSION["accessToken"]

    def set(self, case, data, context):
        if case.path.endswith("/telemetry"):
            case.headers = {**(case.headers or {}), "Authorization": basic(*DEVICE)}
        else:
            if case.method != "GET" and case.path.endswith(ENDS):
                data = OTHER["accessToken"]
            case.headers = {**(case.headers or {}), "Authorization": "Bearer " + data}


def basic(name, secret):
    import base64

    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Who asks does not lock itself out: ids are also taken from answers."""
    if case.method != "GET" and (case.path_parameters or {}).get("id") in MINE:
        case.path_parameters["id"] = "nobody"


# Why a request that its schema allows is refused all the same: rules between
# two values, and texts whose grammar no pattern holds. Everything else that is
# refused is a fault of the description.
RULES = (
    "is not a nextCursor of this",  # a cursor comes from an answer
    "begin anew without one",
    "not both",
    "choose letters by ids or by a filter, or set all",
    "is later than to",
    "aggregates come in ascending order",
    "is not a whole number of milliseconds, such as",  # 0s
    "is not a time such as",  # a day that a month does not have
    "is not a duration",
    "is not a zone such as",
    "is needed with create",
    "the header ",  # of CSV
    "header is ",
    "it is empty;",
    "it is not gzip",
    "must name the device",
    "bytes",  # lengths are of bytes, JSON schema counts characters
    "is not an address such as",
    "belongs to no organization",
    "needs an organization",
    "is above validMax",
    "is needed, or recurring hours",  # an end of a silence
    "is behind startsAt",
    "says why, in",
    "a name is as an id is",  # of a label
    "must be a finite number other than 0",
    "is empty or there twice",
    "id: must be 1 to 64 characters",  # neither an id nor a serial number
    "hours; at most",
    "is not taken here",  # 1.0 is a whole number to JSON schema
    "dead letter",  # an id that is none
    "is not your password",
    "does not go with",
    "is given twice",
    "do not go with",
    "need an organization",
    "deviceIds: must be",  # none, or one twice
    "is over already",  # an end that is not in the future
    "is more than 30 days away",  # an end of a command
    "nested too deep",  # its params
    "must be in order, each once",
    "go together",
    "is needed",  # by a kind of condition, or to send
    "are needed",
    "is at most high",
    "is at least low",
    "is above high",
    "is at least a minute",
    "from a minute to",
    "is from 0 to",  # a duration
    "is not negative",
    "leaves nothing between",
    "leave both out",
    "is not a channel of organization",
    # What a channel's type demands, its templates and whom it may reach.
    "channel url: ", "channel secret: ", "channel headers: ", "channel to: ", "channel from: ", "channel body: ", "channel subject: ",
    "channel text: ", "channel method: ", "channel provider: ", "channel type: email needs a mail server",
    "alert rule message: ",  # a placeholder that is not known
    # Of a test: a rule, or the id of one, with a change only then; from before to.
    "test rule: ", "test change: ", "test from: ", "test cursor: ",
    "removeHeaders",  # none of that name
    "has a user in it",  # an address
)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if failure.code == "ST201" and case.path.endswith("/telemetry"):
        return False  # what is no telemetry is kept as a dead letter
    if failure.code != "ST202":
        return True
    if response.status_code == 426:  # the run speaks no WebSocket
        return False
    return response.status_code != 422 or not any(rule in response.json()["detail"] for rule in RULES)


@schemathesis.deserializer("application/x-ndjson")
def last_line(context, response):
    return json.loads(response.content.decode().strip().split("\n")[-1])


@schemathesis.deserializer("text/csv", "application/octet-stream")
def text(context, response):
    return response.content.decode("latin-1")
