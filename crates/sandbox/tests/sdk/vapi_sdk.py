"""Drives a running sandbox with the vendor's own client library.

Usage: vapi_sdk.py BASE_URL    (for example http://127.0.0.1:9100/vapi)
Exits with 0 when everything is as the library and the contract expect it; otherwise says what is not.
"""

import sys
import time
from datetime import datetime, timedelta, timezone

from vapi import Vapi
from vapi.core.api_error import ApiError
from vapi.types import AssistantOverrides, CreateCustomerDto

DEADLINE_SECONDS = 30
NO_RETRIES = {"max_retries": 0}


def expect(condition, what):
    if not condition:
        raise SystemExit(f"not as expected: {what}")


def expect_status(status, attempt, what):
    try:
        attempt()
    except ApiError as error:
        expect(error.status_code == status, f"{what}: {error.status_code} instead of {status}")
        expect(error.body["statusCode"] == status, f"{what}: body {error.body}")
        return
    raise SystemExit(f"not as expected: {what} did not fail")


def check_saved_objects(client):
    assistants = client.assistants.list()
    expect({"asst_abc123", "asst_xyz456"} <= {one.id for one in assistants}, "assistants")
    expect(client.assistants.get(id="asst_abc123").name, "one assistant")
    numbers = client.phone_numbers.list()
    expect({"pn_abc123", "pn_xyz456", "pn_001", "pn_020"} <= {one.id for one in numbers}, "numbers")
    expect(client.phone_numbers.get(id="pn_001").number.startswith("+1"), "one number")
    page = client.phone_numbers.phone_number_controller_find_all_paginated(limit=5)
    expect(len(page.results) == 5 and page.metadata.total_items == len(numbers), "a page of numbers")

    made = client.assistants.create(name="Made by the library", first_message="Hello")
    changed = client.assistants.update(id=made.id, name="Changed by the library")
    expect(changed.name == "Changed by the library", "a changed assistant")
    expect(client.assistants.delete(id=made.id).id == made.id, "a removed assistant")
    expect_status(404, lambda: client.assistants.get(id=made.id), "a removed assistant's address")


def check_call(client):
    begun = datetime.now(timezone.utc) - timedelta(seconds=5)
    created = client.calls.create(
        name="attempt-1",
        assistant_id="asst_abc123",
        phone_number_id="pn_abc123",
        customer=CreateCustomerDto(number="+14155550100", name="Ann", external_id="lead-1"),
        assistant_overrides=AssistantOverrides(
            variable_values={"first_name": "Ann"}, metadata={"attempt_key": "key-1"}
        ),
        request_options=NO_RETRIES,
    )
    expect(created.status == "queued", f"status {created.status}")
    expect(created.monitor.control_url.endswith(f"/call/{created.id}/control"), "the control address")

    listed = client.calls.list(assistant_id="asst_abc123", created_at_ge=begun, limit=10)
    found = [call for call in listed if call.id == created.id]
    expect(len(found) == 1, "the call in the list")
    expect(found[0].name == "attempt-1", "the name in the list")
    expect(found[0].customer.external_id == "lead-1", "the external id in the list")
    expect(found[0].assistant_overrides.metadata["attempt_key"] == "key-1", "the metadata in the list")
    future = datetime.now(timezone.utc) + timedelta(days=1)
    expect(client.calls.list(created_at_ge=future) == [], "a list of tomorrow's calls")

    call = client.calls.get(id=created.id)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (call.status == "ended" and call.artifact):
        expect(time.monotonic() < deadline, f"the call is {call.status} after {DEADLINE_SECONDS} s")
        time.sleep(0.05)
        call = client.calls.get(id=created.id)
    expect(call.ended_reason in ("customer-ended-call", "assistant-ended-call"), call.ended_reason)
    expect(call.ended_at >= call.started_at >= call.created_at, "the order of times")
    expect(call.cost > 0 and call.cost_breakdown.total == call.cost, "the cost")
    expect(call.artifact.transcript.startswith("AI: "), "the transcript")
    expect(call.analysis.summary, "the summary")

    expect(client.calls.update(id=call.id, name="attempt-2").name == "attempt-2", "a changed name")
    expect(client.calls.delete(id=call.id).id == call.id, "a removed call")
    expect_status(404, lambda: client.calls.get(id=call.id), "a removed call's address")


def check_refusals(client, base_url):
    def create(**changes):
        order = {
            "assistant_id": "asst_abc123",
            "phone_number_id": "pn_abc123",
            "customer": CreateCustomerDto(number="+14155550101"),
        }
        return client.calls.create(**(order | changes), request_options=NO_RETRIES)

    expect_status(400, lambda: create(assistant_id="asst_nope"), "an unknown assistant")
    expect_status(400, lambda: create(customer=CreateCustomerDto(number="123")), "a bad number")
    expect_status(400, lambda: create(name="x" * 41), "a long name")
    bad = Vapi(token="bad-key", base_url=base_url)
    expect_status(401, lambda: bad.assistants.list(), "a bad key")
    broke = Vapi(token="broke-key", base_url=base_url)
    order = {
        "assistant_id": "asst_abc123",
        "phone_number_id": "pn_abc123",
        "customer": CreateCustomerDto(number="+14155550102"),
        "request_options": NO_RETRIES,
    }
    expect_status(402, lambda: broke.calls.create(**order), "a key without credit")


def main():
    base_url = sys.argv[1]
    client = Vapi(token="sdk-key", base_url=base_url)
    check_saved_objects(client)
    check_call(client)
    check_refusals(client, base_url)
    print("the vendor's library and the sandbox agree")


if __name__ == "__main__":
    main()
