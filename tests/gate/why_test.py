#!/usr/bin/python3
"""docs/gate.md, "How to see why somebody was turned away", followed as it stands, before a gate that runs."""
import http.client
import os
import re
import shlex
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from front import Gate, Scratch, Upstream, check, harness, run, until  # noqa: E402

ADDRESS, EXAMPLE = "203.0.113.7", "ABCD-EFGH-JKMN"


def commands():
    with open(os.path.join(harness.ROOT, "docs", "gate.md"), encoding="utf-8") as file:
        section = re.search(r"(?ms)^## How to see why somebody was turned away$(.*?)^## ", file.read())[1]
    return [line for block in re.findall(r"(?s)```sh\n(.*?)```", section) for line in block.splitlines()]


def visit(gate):
    try:
        return gate.ask(X_Forwarded_For=ADDRESS)[0]
    except (OSError, http.client.HTTPException):
        return 0


def why():
    with Scratch() as scratch, Upstream() as site, Gate(scratch, site.url, config="gate:\n  proxies: [127.0.0.0/8]\n") as gate:
        gate.answers()
        check(visit(gate) == 200, "it isn't let in at rest")
        done = gate.job("block", ADDRESS, "--why", "by mistake")
        check(done.status == 0, done.err)
        check(visit(gate) == 0, "who is blocked gets an answer")
        number = re.search(r"The latest time: (\S{14}), ", gate.job("why", ADDRESS, "--lang", "en").out.decode())
        check(number, "no number of the verdict")
        said = []
        for line in commands():
            words = shlex.split(line.replace(EXAMPLE, number[1]))
            check(words[:2] == ["khien", "gate"], line)
            done = gate.job(*words[2:], *(["--lang", "en"] if words[2] == "why" else []))
            check(done.status == 0, f"{line}: {done.err}")
            said.append(done.out.decode())
        check(len(said) == 4, said)
        check(all("An operator blocked it." in text for text in said[:2]) and ADDRESS in said[0], said[:2])
        check("On the list: 203.0.113.7, by " in said[1] and "by mistake" in said[1], said[1])
        check("An operator allowed it." in said[3] and "would be: let through" in said[3], said[3])
        check(visit(gate) == 200, "who is allowed isn't let in")
        events = os.path.join(gate.data, "state", "events.jsonl")
        until(lambda: "operator-allowed" in open(events, encoding="utf-8").read(), "no event of it")  # pylint: disable=consider-using-with
        done = gate.job("status", "--lang", "en")
        check("at rest" in done.out.decode() and done.status == 0, done.out)


if __name__ == "__main__":
    run({"why": why})
