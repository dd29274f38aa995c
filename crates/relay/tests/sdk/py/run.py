"""Plays ../suite.json with the Svix library for Python that is on the path. ../README.md explains the words of the suite.

Wants SDK_URL and SDK_TOKEN of a Relay, SDK_HURRIED_URL of one that allows one call a second, and SDK_RELAY, the program.
The last line is `N calls, M failed`; the first failure ends it.
"""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
import typing
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import httpx
import pydantic
from svix.api import Svix, SvixOptions
from svix.exceptions import HttpError, HTTPValidationError
from svix.webhooks import Webhook, WebhookVerificationError

PATIENCE = 20  # seconds
LOOK_AGAIN = 0.02  # seconds
MAJOR = int(version("svix").split(".")[0])
SUITE = json.loads((Path(__file__).parent.parent / "suite.json").read_text())
# What the library of this version has.
CALLS = {
    name: call
    for name, call in SUITE["calls"].items()
    if MAJOR in call.get("majors", [1, 2]) and "python" in call.get("languages", ["python"])
}

deliveries = defaultdict(queue.Queue)  # by path: headers and body
requests = []  # method and path of every request that the library made
made = set()  # calls that came to an answer
variables = {}


class Wrong(Exception):
    """The library or Relay did not do what the suite says."""


class Receiver(BaseHTTPRequestHandler):
    """Takes every delivery."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        deliveries[self.path].put((dict(self.headers), body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def record(send=httpx.Client.send):
    def recorded(client, request, **options):
        requests.append((request.method, request.url.raw_path.decode()))
        return send(client, request, **options)

    httpx.Client.send = recorded


def check(told, wanted, what):
    if told != wanted:
        raise Wrong(f"{what}: {wanted!r} expected, not {told!r}")


def fit(value):
    """The value with variables filled in, and the field of event types called as this version calls it."""
    if isinstance(value, str):
        return re.sub(r"\$(\w+)", lambda found: variables[found[1]], value)
    if isinstance(value, list):
        return [fit(one) for one in value]
    if isinstance(value, dict):
        old = {"eventTypes": "filterTypes"} if MAJOR == 1 else {}
        return {old.get(key, key): fit(one) for key, one in value.items()}
    return value


def dig(value, path):
    for name in path.split("."):
        try:
            value = value[int(name) if isinstance(value, list) else name]
        except (IndexError, KeyError, TypeError) as fault:
            raise Wrong(f"there is no {path} in the reply") from fault
    return value


def snake(name):
    return re.sub("[A-Z]", lambda found: "_" + found[0].lower(), name)


def client(who):
    url, token = os.environ["SDK_URL"], os.environ["SDK_TOKEN"]
    if who == "nobody":
        token = "nobody"
    elif who == "lost":
        url += "/nowhere"
    elif who == "hurried":
        url = os.environ["SDK_HURRIED_URL"]
    elif who == "application":
        command = [os.environ["SDK_RELAY"], "token", "--app", variables["app"]]
        token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    # Version 1 keeps the slash, and so asks for `//api/v1`.
    return Svix(token, SvixOptions(server_url=url + "/"))


def call(step, more=()):
    """Makes the call of a step; returns the reply as it was on the wire."""
    name = CALLS[step["call"]].get("old", step["call"]) if MAJOR == 1 else step["call"]
    method = client(step.get("as"))
    for part in name.split("."):
        method = getattr(method, part)
    hints = typing.get_type_hints(method)
    args = []
    for hint, arg in zip(hints.values(), fit(step.get("args", []))):
        model = isinstance(hint, type) and issubclass(hint, pydantic.BaseModel)
        args.append(hint.model_validate(arg) if model else arg)
    options = {**step.get("options", {}), **dict(more)}
    if options:
        args.append(hints["options"](**{snake(key): one for key, one in fit(options).items()}))
    requests.clear()
    try:
        reply = method(*args)
    finally:
        if step.get("as") != "lost":
            followed(step["call"])
    return reply.model_dump(mode="json", by_alias=True) if reply is not None else None


def followed(name):
    """Checks that the last request took the route of the call."""
    method, route = CALLS[name]["route"].split(" ")
    slash = "//" if MAJOR == 1 else "/"
    path = re.sub(r"\{\w+\}", "[^/]+", f"{slash}api/v1{route}")
    asked = " ".join(requests[-1])
    if not re.fullmatch(rf"{method} {path}(\?.*)?", asked):
        raise Wrong(f"{method} {path} expected, not {asked}")


def refused(step, status, word):
    """Makes a call that fails with this status and code; with a 422 the word is the place of the fault."""
    try:
        reply = call(step)
    except HTTPValidationError as fault:
        check((fault.status_code, ".".join(fault.detail[0].loc)), (status, word), "the fault")
    except HttpError as fault:
        check((fault.status_code, fault.code), (status, word), "the error")
    else:
        raise Wrong(f"a {status} expected, not {reply}")


def missing(step):
    """Makes a call that Relay does not have; the library must be able to read that."""
    try:
        call(step)
    except HttpError as fault:
        check((fault.status_code, fault.code) in [(404, "not_found"), (405, "method_not_allowed")], True, str(fault))
    else:
        raise Wrong("it is there now: take `missing` off the call")


def walk(step):
    """Reads a list in pages to its end and back to its beginning."""
    def page(iterator):
        more = {"limit": step["walk"], **({"iterator": iterator} if iterator else {})}
        return call(step, more.items())

    there = [page(None)]
    while not there[-1]["done"]:
        there.append(page(there[-1]["iterator"]))
    back = [there[-1]]
    while back[-1]["prevIterator"] is not None and (before := page(back[-1]["prevIterator"]))["data"]:
        back.append(before)
    lists = [page["data"] for page in there if page["data"]]
    check([page["data"] for page in back if page["data"]], lists[::-1], "the way back")
    rows = [row for page in lists for row in page]
    check(len(rows), step["finds"], "rows")
    check(len({json.dumps(row, sort_keys=True) for row in rows}), len(rows), "different rows")
    made.add(step["call"])


def answered(step):
    """Makes a call that succeeds."""
    reply = call(step)
    for path, wanted in fit(step.get("reply", {})).items():
        check(dig(reply, path), wanted, path)
    for name, path in step.get("save", {}).items():
        variables[name] = dig(reply, path)
    made.add(step["call"])


def received(step):
    """Waits for a delivery; the library's own verifier accepts it, and nothing like it."""
    headers, body = deliveries[step["received"]].get(timeout=PATIENCE)
    webhook = Webhook(fit(step["secret"]))
    check(webhook.verify(body, headers), json.loads(body) if MAJOR == 1 else None, "what verify returns")
    for verifier, body in [(webhook, body + b" "), (Webhook("whsec_" + "A" * 32), body)]:
        try:
            verifier.verify(body, headers)
        except WebhookVerificationError:
            continue
        raise Wrong("it verified what is not signed like that")


def play(step):
    if "received" in step:
        return received(step)
    if CALLS[step["call"]].get("missing"):
        made.add(step["call"])
        return missing(step)
    if "error" in step:
        return refused(step, *step["error"])
    return walk(step) if "walk" in step else answered(step)


def patiently(step):
    """Plays a step; one that may take its time is played until it passes."""
    deadline = time.monotonic() + (PATIENCE if step.get("repeat") else 0)
    while True:
        try:
            return play(step)
        except Wrong:
            if time.monotonic() >= deadline:
                raise
            time.sleep(LOOK_AGAIN)


def main():
    record()
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    now = datetime.now(timezone.utc)
    variables["receiver"] = f"http://127.0.0.1:{receiver.server_port}"
    variables["now"], variables["hour_ago"] = now.isoformat(), (now - timedelta(hours=1)).isoformat()
    steps = [step for step in SUITE["steps"] if step.get("call", "application.list") in CALLS]
    for number, step in enumerate(steps):
        try:
            patiently(step)
        except Exception as fault:  # whatever the library throws is what we are here to see
            print(f"{json.dumps(step)}\n  {type(fault).__name__}: {fault}\n{number} calls, 1 failed")
            return 1
    if uncalled := CALLS.keys() - made:
        print(f"never called: {', '.join(sorted(uncalled))}\n{len(steps)} calls, {len(uncalled)} failed")
        return 1
    print(f"{len(steps)} calls, 0 failed")
    return 0


sys.exit(main())
