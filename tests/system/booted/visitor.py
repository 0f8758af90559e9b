"""Runs inside: somebody who signs in at the page and pauses the service; tells what the page said."""

import json
import sys
import urllib.request

AT = "http://127.0.0.1:8311"


def ask(path, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(AT + path, data, {"content-type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer), answer.headers


session, headers = ask("/api/session", {"name": "A. Visitor"}, **{"x-allscope-csrf": "sign-in"})
own = {"cookie": headers["set-cookie"].split(";")[0], "x-allscope-csrf": session["csrf"]}
said = {
    "paused": ask("/api/orders", {"order": "pause"}, **own)[0],
    "status": ask("/api/status", **own)[0],
    "resumed": ask("/api/orders", {"order": "resume"}, **own)[0],
    "slides": ask("/api/slides", **own)[0],
}
sys.stdout.write(json.dumps(said))
