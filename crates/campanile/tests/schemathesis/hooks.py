"""Objects for generated requests to work on, and a look at refusals.

Generated ids name nothing, and a server that only says "not found" is not under pressure. So
requests that are valid by the document get ids of objects that are there, made by the test before;
requests that are invalid by the document are sent as they were generated.
"""

import json
import os
import random
import urllib.request
import uuid

import schemathesis
from schemathesis.core.parameters import ParameterLocation

with open(os.environ["CAMPANILE_TEST_WORLD"], encoding="utf-8") as file:
    WORLD = json.load(file)

# References in paths, queries and bodies, by their names in the contract.
REFERENCES = {
    "campaign_id": WORLD["campaigns"],
    "campaign_lead_id": WORLD["leads"],
    "call_id": WORLD["calls"],
    "import_id": WORLD["imports"],
    "tenant_voice_provider_id": WORLD["lines"],
    "voiceai_pod_id": WORLD["lines"],
    "phone_number_pool_id": WORLD["pools"],
    "token_id": WORLD["tokens"],
    "tenant_id": [WORLD["tenant"]],
    "line_key": WORLD["line_keys"],
    "assistant_id": ["asst_abc123", "asst_xyz456"],
    "phone_number_id": ["pn_abc123", "pn_xyz456", "pn_001", "pn_002"],
    "timezone": ["UTC", "America/New_York", "Asia/Kolkata", "Europe/Berlin", "Pacific/Chatham"],
}

# May be called for trial; the test before has set them. Several, because a number that is in a
# call takes no other.
ALLOWED = [f"+1415555267{digit}" for digit in range(10)]

# What an OUTBOUND campaign cannot be without.
CAMPAIGN = {
    "tenant_voice_provider_id": WORLD["lines"][0],
    "phone_number_id": "pn_001",
    "start_date": "2026-01-01",
    "timezone": "UTC",
    "days_of_week": ["MONDAY", "TUESDAY"],
    "daily_start_time": "09:00",
    "daily_end_time": "18:00",
    "windows": [{"start_time": "09:00", "end_time": "17:00"}],
    "max_call_attempts": 3,
    "max_daily_attempts": 2,
    "min_gap_between_attempts": 60,
}

CHANCE = random.Random(20260131)

# Faults of the form: a client that keeps to the document must never be told one of them. And rules
# that look like form and are not, each with the reason why the document cannot say it.
with open(os.environ["CAMPANILE_TEST_FORM"], encoding="utf-8") as file:
    FORM = json.load(file)
OF_THE_FORM = set(FORM["codes"])
BEYOND_THE_DOCUMENT = {(rule["field"], rule["code"]) for rule in FORM["beyond_the_document"]}


def is_valid(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def live_calls():
    """Calls that are up at this moment: those of the beginning end long before the run does."""
    request = urllib.request.Request(
        f"http://{os.environ['CAMPANILE_TEST_ADDRESS']}/api/v2/calls?limit=50",
        headers={"Authorization": f"Bearer {os.environ['CAMPANILE_TEST_TOKEN']}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        calls = json.load(answer)["data"]
    return [call["call_id"] for call in calls if call["state"] in ("RINGING", "IN_PROGRESS")]


def replace(container, chance):
    """Puts an object that is there in the place of a made-up one."""
    for name, there in REFERENCES.items():
        if isinstance(container.get(name), str) and there and CHANCE.random() < chance:
            container[name] = CHANCE.choice(there)


def make_sense(operation, body):
    """Settles more often than not what the rules between fields want."""
    if operation == "PATCH /api/v2/tenant" and "test_call_numbers" in body:
        # Nobody could be called for trial without it, until another change brings it back.
        others = [number for number in body["test_call_numbers"] or [] if number not in ALLOWED]
        body["test_call_numbers"] = [*others[:10], *ALLOWED]
    if CHANCE.random() < 0.2:
        return
    if operation == "POST /api/v2/voice-campaigns":
        for name, value in CAMPAIGN.items():
            if body.get(name) is None:
                body[name] = value
        body.pop("voiceai_pod_id", None)
        for name in ("end_date", "retry_gaps_minutes", "vapi_calling_entity"):
            body.pop(name, None)
    elif operation == "PATCH /api/v2/voice-campaigns/{campaign_id}":
        # What only holds together with settings that the campaign already has, or stops it.
        for name in ("voiceai_pod_id", "start_date", "end_date", "retry_gaps_minutes", "vapi_calling_entity"):
            body.pop(name, None)
        for name in CAMPAIGN:
            if name in body and body[name] is None:
                body[name] = CAMPAIGN[name]
        if "windows" in body:
            body["windows"] = CAMPAIGN["windows"]
        # The pools are all of this one's numbers.
        body["tenant_voice_provider_id"] = CAMPAIGN["tenant_voice_provider_id"]
    elif operation == "POST /api/v2/voice-providers":
        if body.get("provider") == "VAPI":
            body["credentials"] = {"api_key": "not-a-key"}
            body["base_url"] = "https://voice.example.com"
        else:
            body["credentials"] = {}
            body.pop("base_url", None)
    elif operation.endswith("/test-call"):
        body["phone_number"] = CHANCE.choice(ALLOWED)


@schemathesis.hook
def before_call(context, case, kwargs):
    if WORLD["own_token"] in (case.path_parameters or {}).values():
        # The run must not disable or delete the token it runs with.
        case.path_parameters["token_id"] = CHANCE.choice(WORLD["tokens"])
    if not is_valid(case):
        return
    operation = case.operation.label
    # In chains, links lead to objects that the chain itself has made.
    if case.path_parameters and case.meta.phase.name.value != "stateful":
        replace(case.path_parameters, 0.9)
        if "line_key" in case.path_parameters:
            case.path_parameters["provider"] = "sandbox"
        if operation.endswith("/test-call") and CHANCE.random() < 0.7:
            case.path_parameters["campaign_id"] = CHANCE.choice(WORLD["trials"])
        if operation.endswith("/hang-up") and CHANCE.random() < 0.5 and (live := live_calls()):
            case.path_parameters["call_id"] = CHANCE.choice(live)
        campaign = case.path_parameters.get("campaign_id")
        if campaign in WORLD["leads_of"] and "campaign_lead_id" in case.path_parameters:
            case.path_parameters["campaign_lead_id"] = CHANCE.choice(WORLD["leads_of"][campaign])
    if case.query and "cursor" in case.query:
        # A cursor is what a list gave, and means nothing elsewhere.
        cursor = WORLD["cursors"].get(operation)
        if cursor is not None:
            case.query["cursor"] = cursor
        else:
            del case.query["cursor"]
    for body in case.body if isinstance(case.body, list) else [case.body]:
        if isinstance(body, dict):
            replace(body, 0.9)
            make_sense(operation, body)
    for name in list(case.headers or {}):
        if name.lower() == "idempotency-key":
            # A key that was used answers for the request it was used with, also after its object
            # is gone: that is the promise, and has its own tests.
            case.headers[name] = uuid.uuid4().hex
        if name.lower() == "if-match" and (
            # Values of answers are tried too, and a bare revision is no tag.
            '"' not in case.headers[name] or CHANCE.random() < 0.7
        ):
            case.headers[name] = "*"


@schemathesis.check
def refused_for_its_meaning(context, response, case):
    """A request that is valid by the document may only be refused for what it means."""
    if response.status_code not in (400, 422) or not is_valid(case):
        return
    answer = response.json()
    faults = [(fault["field"], fault["code"]) for fault in answer["errors"]]
    of_the_form = [
        (field, code)
        for field, code in faults
        if code in OF_THE_FORM
        and (field.rsplit(".", 1)[-1], code) not in BEYOND_THE_DOCUMENT
    ]
    assert not of_the_form, f"the document allows what is refused for its form: {of_the_form}"
    assert faults or answer["code"] in ("wrong_id_type", "idempotency_mismatch"), answer["code"]


@schemathesis.check
def failures_speak_of_the_provider(context, response, case):
    """502 and 503 are for the voice provider; nothing else may be out of order during the run."""
    if response.status_code in (502, 503):
        code = response.json()["code"]
        assert code in ("provider_refused", "provider_unreachable"), code


@schemathesis.check
def bulk_refuses_the_item(context, response, case):
    """Where items are judged one by one, what is no lead must be refused in its own result."""
    operation = case.operation.definition.raw.get("operationId")
    if operation not in ("updateLeads", "removeLeads") or response.status_code != 200 or is_valid(case):
        return
    component = case.meta.components.get(ParameterLocation.BODY)
    if component is not None and component.mode.is_negative:
        results = response.json()["results"]
        assert any(not result["success"] for result in results), results
