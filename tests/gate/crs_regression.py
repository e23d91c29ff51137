#!/usr/bin/python3
"""The Core Rule Set's own regression tests (coreruleset v3.3.4, tests/regression/tests) give the same with the module as without.

crs_regression.py [FOLDER] [--module SO] [--rules FILE.yaml...]; else KHIEN_CRS_TESTS names the folder, KHIEN_MODULE the module. The rules are
those that the package modsecurity-crs has, at level 4 and detecting only, as their README wants it. What a test finds is its verdict (as the
test says: its status, or numbers of rules in the log) and, beyond that, the status and every rule that spoke.
"""
import argparse
import base64
import collections
import os
import re
import secrets
import socket
import sys
import time
import urllib.parse

import yaml

PARSER = argparse.ArgumentParser()
PARSER.add_argument("folder", nargs="?")
PARSER.add_argument("--module")
PARSER.add_argument("--rules", nargs="+", metavar="FILE.yaml")
ARGS = PARSER.parse_args()
sys.argv[1:] = []
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import judges  # noqa: E402
from waf_running import CRS, Nginx, need  # noqa: E402

harness = judges.harness
MARK = "x-khien-case"
# What speaks for a verdict of the kind that a test gives, and what is of nginx's own.
RULES = re.compile(r'\[id "(\d+)"\]')
WAIT = 3


def configuration():
    """ModSecurity's own, as Debian documents it, and all of CRS."""
    with open("/usr/share/nginx/docs/modsecurity/modsecurity.conf", encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"^\s*Sec(?:Audit|UnicodeMapFile|TmpDir|DataDir|RuleEngine|StatusEngine)\w*\s.*$", "", text, flags=re.M)
    action = ("ctl:ruleEngine=DetectionOnly,ctl:ruleRemoveById=910000,setvar:tx.paranoia_level=4,setvar:tx.executing_paranoia_level=4,"
              "setvar:tx.crs_validate_utf8_encoding=1,setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,setvar:tx.total_arg_length=64000,"
              "setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535,setvar:tx.crs_setup_version=334")
    text += f"""
SecRuleEngine On
SecAuditEngine Off
SecDefaultAction "phase:1,log,auditlog,pass"
SecDefaultAction "phase:2,log,auditlog,pass"
SecRule REQUEST_HEADERS:{MARK} "@rx ^(.+)$" "id:900004,phase:1,pass,log,t:none,msg:'case',ctl:ruleRemoveById=1-899999,ctl:ruleRemoveById=900005-999999"
SecAction "id:900005,phase:1,nolog,pass,t:none,{action}"
"""
    names = sorted(os.listdir(f"{CRS}/rules"))
    return text + "".join(f"Include {CRS}/rules/{name}\n" for name in names if name.endswith(".conf"))


def cases(folder, wanted):
    """(name, stages) of every test that is enabled."""
    for root, _, files in sorted(os.walk(folder)):
        for name in sorted(files):
            if not name.endswith(".yaml") or (wanted and name not in wanted):
                continue
            with open(os.path.join(root, name), encoding="utf-8") as file:
                whole = yaml.safe_load(file)
            if whole.get("meta", {}).get("enabled", True):
                seen = collections.Counter()
                for test in whole["tests"]:
                    title = test["test_title"]
                    seen[title] += 1  # one title stands twice
                    yield (f"{name}: {title}" + (f" ({seen[title]})" if seen[title] > 1 else ""),
                           [stage["stage"] for stage in test["stages"]])


def bytes_of(data):
    if isinstance(data, list):
        data = "\r\n".join(data)
    return str(data).encode("utf-8")


def request(given):
    """The bytes that a stage sends, completed as the tests' own runner does where stop_magic doesn't forbid it."""
    if given.get("encoded_request"):
        return base64.b64decode(given["encoded_request"])
    if given.get("raw_request"):
        return bytes_of(given["raw_request"])
    headers = dict(given.get("headers") or {})
    there = {name.lower() for name in headers}
    body = bytes_of(given["data"]) if given.get("data") not in (None, "") else b""
    if not given.get("stop_magic"):
        if body and "content-type" not in there:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if body and headers.get("Content-Type") == "application/x-www-form-urlencoded":
            text = body.decode("utf-8", "surrogateescape")
            pairs = urllib.parse.parse_qsl(text) if urllib.parse.unquote(text) == text else []
            body = urllib.parse.urlencode(pairs).encode() if pairs else body
        if body and "content-length" not in there:
            headers["Content-Length"] = len(body)
        if "connection" not in there:
            headers["Connection"] = "close"
    line = f"{given.get('method', 'GET')} {given.get('uri', '/')} {given.get('version', 'HTTP/1.1')}\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return (line + lines + "\r\n").encode("utf-8", "surrogateescape") + body


def exchange(port, sent, seconds=WAIT):
    """The status, or 0."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(sent)
            connection.settimeout(seconds)
            while b"\r\n\r\n" not in got:
                piece = connection.recv(65536)
                if not piece:
                    break
                got += piece
        except OSError:
            pass
    status = re.match(rb"HTTP/1\.[01] (\d{3})", got)
    return int(status[1]) if status else 0


def log_of(nginx):
    """What it said up to now: the worker is one, so what it says of a mark comes behind it."""
    mark, text, end = secrets.token_hex(8), "", time.monotonic() + 30
    exchange(nginx.port, f"GET /{mark} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a\r\nAccept: */*\r\n{MARK}: {mark}\r\nConnection: close\r\n\r\n".encode(), 60)
    while mark not in text:
        text += nginx.log()
        if time.monotonic() > end:
            raise AssertionError("nginx's log has stopped")
    return "\n".join(line for line in text.splitlines() if mark not in line)


def good(wanted, status, log):
    """Whether it went as the test says."""
    if wanted.get("status") is not None:
        statuses = wanted["status"] if isinstance(wanted["status"], list) else [wanted["status"]]
        if status not in [int(word) for word in statuses]:
            return False
    if wanted.get("expect_error") is not None and bool(wanted["expect_error"]) != (status == 0):
        return False
    if wanted.get("log_contains") and not re.search(wanted["log_contains"], log):
        return False
    return not (wanted.get("no_log_contains") and re.search(wanted["no_log_contains"], log))


def outcome(nginx, stages):
    right, told = True, []
    for stage in stages:
        status = exchange(nginx.port, request(stage["input"]))
        log = log_of(nginx)
        right = right and good(stage["output"], status, log)
        told.append(f"{status} {' '.join(sorted(set(RULES.findall(log))))}")
    return ("ok: " if right else "not ok: ") + "; ".join(told)


def crs_tests(folder, scratch):
    rules, runs = configuration(), []
    key = scratch.write("key", secrets.token_hex(32) + "\n")
    os.chmod(key, 0o600)
    # All comes from one address, as fast as it goes: what the gate would do about that is no matter of the rules.
    lists = scratch.write("lists", 'allow 127.0.0.0/8 until never by tests why "thousands of attacks"\n')

    def run(names, gated):
        more = {"more_main": f"load_module {judges.module()};", "more_http": f"khien_zone 16m; khien_key {key}; khien_lists {lists}; khien on;"} if gated else {}
        more["more_main"] = more.get("more_main", "") + ("user root;" if os.geteuid() == 0 else "")
        runs.append(1)
        with Nginx(scratch, rules, name=f"nginx{len(runs)}", **more) as nginx:
            return {name: outcome(nginx, stages) for name, stages in cases(folder, names)}

    return run


def main():
    need()
    if ARGS.module:
        os.environ["KHIEN_MODULE"] = os.path.abspath(ARGS.module)
    if ARGS.folder:
        os.environ["KHIEN_CRS_TESTS"] = ARGS.folder
    folder = judges.need_folder("KHIEN_CRS_TESTS", "tests/regression/tests of coreruleset v3.3.4")
    with harness.Scratch() as scratch:
        return judges.judge("coreruleset", crs_tests(folder, scratch), ARGS.rules)


if __name__ == "__main__":
    sys.exit(main())
