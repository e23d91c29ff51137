#!/usr/bin/python3
"""ModSecurity in nginx with the configuration that khien writes: waf_test.py KHIEN WAF_WRITE WAF_HITS [NAME...]"""
import json
import os
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from waf_running import BODY_MAX, OWN, Nginx, harness, multipart, need, processes, rules_of  # noqa: E402

WRITE, HITS = (os.path.abspath(word) for word in sys.argv[1:3])
HERE = os.path.dirname(os.path.abspath(__file__))
KIOSK = os.path.join(OWN, "exclusions", "kiosk.conf")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\"}


def check(right, what):
    if not right:
        raise AssertionError(what)


def corpus(name):
    with open(os.path.join(HERE, "corpus", name), encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file]
    lines = [line for line in lines if line and not (line.startswith("# ") and name == "attacks.txt")]
    return [re.sub(r"\\([nrt0\\])", lambda m: ESCAPES[m[1]], line) if name == "attacks.txt" else line for line in lines]


# --- what is sent ---

def ordinary(scratch):
    """Nothing that people write is refused: in a form, in the query, in JSON, as a form with files, by an address as Host."""
    refused = []
    with Nginx(scratch, rules_of(WRITE, scratch)) as nginx:
        for text in corpus("ordinary.txt"):
            body, headers = multipart({"name": text, "note": text}, [("file", "Kết quả XN 02-11.pdf", "application/pdf", b"%PDF-1.4 \0\1")])
            sent = {"form": nginx.form(name=text, note=text, phone="0912345678", born="1980"), "query": nginx.ask(q=text),
                    "json": nginx.send("POST", "/api", json.dumps({"a": {"note": text}}), {"Content-Type": "application/json; charset=utf-8"}),
                    "escaped": nginx.send("POST", "/api", json.dumps({"note": text}), {"Content-Type": "application/fhir+json"}),
                    "multipart": nginx.send("POST", "/up", body, headers),
                    "address": nginx.send("POST", "/book", None, {"Host": "192.0.2.7:8080"}, {"note": text})}
            if set(sent.values()) != {200}:
                refused.append(f"{text!r}: {sent} by {nginx.rules()}")
            nginx.log()
        check(not refused, "\n".join(refused))
        long = "\n".join(text for text in corpus("ordinary.txt") if not text.isascii()) * 6
        check(nginx.form(note=long) == 200, f"a long letter: {nginx.rules()}")
        for words in (("PUT", "/api/1", "{}", {"Content-Type": "application/json"}), ("DELETE", "/api/1"), ("HEAD", "/")):
            check(nginx.send(*words) == 200, f"{words}: {nginx.rules()}")
        for agent in ("curl/7.88.1", "Java/17.0.2", "okhttp/4.9.3", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"):
            check(nginx.send("GET", "/", headers={"User-Agent": agent}) == 200, f"{agent}: {nginx.rules()}")


def attacks(scratch):
    """Each attack is refused wherever it stands; so are scanners, other methods, and headers that carry one."""
    passed = []
    with Nginx(scratch, rules_of(WRITE, scratch)) as nginx:
        for text in corpus("attacks.txt"):
            sent = {"form": nginx.form(name="Lan", note=text), "query": nginx.ask(q=text),
                    "json": nginx.send("POST", "/api", json.dumps({"a": [{"note": text}]}), {"Content-Type": "application/json"})}
            if not set(sent.values()) <= {403, 400}:
                passed.append(f"{text!r}: {sent} by {nginx.rules()}")
        check(not passed, "\n".join(passed))
        jndi = "${jndi:ldap://203.0.113.9/a}"
        for headers in ({"User-Agent": "sqlmap/1.7"}, {"User-Agent": "Nikto/2.5.0"}, {"User-Agent": jndi}, {"Referer": jndi}, {"X-Api": jndi},
                        {"Cookie": f"a={jndi}"}, {"User-Agent": "masscan/1.3"}):
            check(nginx.send("GET", "/", headers=headers) == 403, f"{headers} passes: {nginx.rules()}")
        for method, path in (("GET", "/../../etc/passwd"), ("GET", "/.git/config"), ("GET", "/.env"), ("GET", "/a/%2e%2e/%2e%2e/etc/passwd"),
                             ("TRACE", "/"), ("PROPFIND", "/"), ("GET", "/?x=/etc/passwd"), ("GET", "/wp-config.php.bak?a=../../x")):
            check(nginx.send(method, path) in (400, 403, 405), f"{method} {path} passes")
        body, headers = multipart({}, [("file", "a.php", "image/png", b"<?php system($_GET['c']); ?>")])
        check(nginx.send("POST", "/up", body, headers) == 403, "a program as a picture passes")
        for kind, body in (("application/json", '{"a":'), ("application/x-www-form-urlencoded; charset=ibm037", "a=b"), ("text/php", "a")):
            check(nginx.send("POST", "/api", body, {"Content-Type": kind}) in (400, 403), f"{kind} {body} passes")


def levels(scratch):
    """All four are read by nginx and refuse attacks; in watch mode nothing is refused, and all is told."""
    attack = "1' UNION SELECT NULL,NULL-- -"
    for level in (1, 2, 3, 4):
        with Nginx(scratch, rules_of(WRITE, scratch, level=level), name=f"level{level}") as nginx:
            check(nginx.form(note=attack) == 403, f"level {level} lets it pass")
            check(nginx.form(name="Lan") == 200, f"level {level} refuses a name: {nginx.rules()}")
            refused = nginx.form(note="tired; who can help?") == 403
            check(refused == (level > 1), f"level {level}: CRS's own rules are {'on' if refused else 'off'}")
    with Nginx(scratch, rules_of(WRITE, scratch, block=False), name="watch") as nginx:
        check(nginx.form(note=attack) == 200, "refused in watch mode")
        rules = nginx.rules()
        check("949110" in rules and "942100" in rules, f"told in watch mode: {rules}")


def bodies(scratch):
    """What is larger is answered with 413 by nginx and, where nginx lets it in, refused by the WAF; what isn't is read to its end."""
    with Nginx(scratch, rules_of(WRITE, scratch)) as nginx:
        check(nginx.form(note="a" * (BODY_MAX + 1)) == 413, "a larger body")
        more = "a" * (260 << 10)
        for kind, body in (("application/x-www-form-urlencoded", f"note={more}"), ("application/json", json.dumps([more])),
                           ("text/xml", f"<a>{more}</a>"), ("text/plain", more)):
            check((nginx.send("POST", "/", body, {"Content-Type": kind}), nginx.rules()) == (413, ["9000007"]), f"{kind}: more text than forms have")
        for files in ([], [("file", "a.png", "image/png", b"a")]):
            status, rules = nginx.send("POST", "/", *multipart({"note": more}, files)), nginx.rules()
            check(status == 413 and set(rules) & {"9000006", "9000007"}, f"a form with {len(files)} files: {status} {rules}")
        check(nginx.send("POST", "/", *multipart({"note": "a"}, [("file", "a.png", "image/png", b"a" * (BODY_MAX - 2000))])) == 200, "a file")
        late = "a" * (250 << 10) + "&x=<script>alert(1)</script>"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        check(nginx.send("POST", "/", f"note={late}", form) == 403, f"an attack behind a long text: {nginx.rules()}")
        check(nginx.send("POST", "/", "&".join(f"a{i}=1" for i in range(1200)), form) in (400, 403), "1,200 arguments")
    with Nginx(scratch, rules_of(WRITE, scratch), name="open", body_max="8m") as nginx:
        check(nginx.form(note="a" * (BODY_MAX + 1000)) in (400, 403, 413), f"a body beyond what is read passes: {nginx.rules()}")


def memory(scratch):
    """nginx with all rules stays small, also after the largest bodies."""
    with Nginx(scratch, rules_of(WRITE, scratch)) as nginx:
        begin = pss(nginx)
        for _ in range(20):
            nginx.send("POST", "/", "note=" + "a b " * (BODY_MAX // 4 - 10), {"Content-Type": "application/x-www-form-urlencoded"})
            nginx.send("POST", "/", json.dumps(["Nguyễn"] * 900), {"Content-Type": "application/json"})
        print(f"  master and worker have {begin >> 20} MB, {pss(nginx) >> 20} MB after 20 bodies of {BODY_MAX >> 20} MB")
        check(pss(nginx) < 160 << 20, f"{pss(nginx)} bytes")


def pss(nginx):
    """Bytes of all its processes, what they share counted once."""
    total = 0
    for pid in processes(nginx.process.pid):
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += 1024 * int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.M)[1])
    return total


# --- patches ---

PATCH = """id: {id}
owner: an@benhvien.example
expires: {expires}
why: tests
when: {when}
do: {do}
"""


def patch(scratch, name, when, do="deny", expires=None):
    expires = expires or time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86400))
    scratch.write(f"{name}/{name}.yaml", PATCH.format(id=name, expires=expires, when=json.dumps(when), do=do))
    return scratch.path(name)


def patches(scratch):
    """One refuses what it says, however that is written, and nothing else; one that watches, and one that has expired, refuse nothing."""
    when = {"path": "/Profile/avatar", "method": ["POST", "PUT"], "argument": {"name": "file", "regex": r"\.(php|jsp|aspx)$"}}
    with Nginx(scratch, rules_of(WRITE, scratch, patches=patch(scratch, "upload", when))) as nginx:
        for path in ("/Profile/avatar", "/profile/avatar/", "/profile//avatar", "/x/../profile/%61vatar", "/profile;a=b/avatar;c", "/profile%2favatar",
                     "/profile\\avatar", "/./profile/./avatar?x=1"):
            status = nginx.send("POST", path, encode={"file": "x.jsp"})
            check((status, "Patch upload" in nginx.log()) == (403, True), f"{path}: {status}")
        body, headers = multipart({"a": "b"}, [("file", "x.JSP", "image/png", b"x")])
        check(nginx.send("PUT", "/profile/avatar", body, headers) == 403 and "Patch upload" in nginx.log(), "the name of a file")
        for value in ({"file": "x.jsp"}, {"a": [{"b": {"File": "x.jsp"}}]}):
            status = nginx.send("POST", "/profile/avatar", json.dumps(value), {"Content-Type": "application/json"})
            check((status, "Patch upload" in nginx.log()) == (403, True), f"{value}: {status}")
        for method, path, name, value in (("GET", "/profile/avatar", "file", "x.jsp"), ("POST", "/profile/avatars", "file", "x.jsp"),
                                          ("POST", "/profile/avatar", "profile", "x.jsp"), ("POST", "/profile/avatar", "file", "x.jsp.png"),
                                          ("POST", "/a/profile/avatar", "file", "x.jsp")):
            nginx.send(method, path, encode={name: value})
            check("Patch upload" not in nginx.log(), f"{method} {path} {name}={value} is refused")
    with Nginx(scratch, rules_of(WRITE, scratch, patches=patch(scratch, "looks", when, do="watch")), name="n-looks") as nginx:
        status = nginx.send("POST", "/profile/avatar", encode={"file": "x.jsp"})
        check((status, "Patch looks" in nginx.log()) == (200, True), f"one that watches: {status}")
    with Nginx(scratch, rules_of(WRITE, scratch, patches=patch(scratch, "late", when, expires="2026-01-31")), name="n-late") as nginx:
        check(nginx.send("POST", "/profile/avatar", encode={"file": "x.jsp"}) == 200, "one that has expired")


def conditions(scratch):
    """Each kind of condition, and all of several."""
    cases = {
        "prefix": ({"path_prefix": "/admin/"}, ("GET", "/Admin/x", None, {}), ("GET", "/administrator", None, {})),
        "regex": ({"path_regex": r"^/files/\d+/raw$"}, ("GET", "/files/12/raw", None, {}), ("GET", "/files/x/raw", None, {})),
        "header": ({"header": {"name": "X-Token", "regex": "^debug$"}}, ("GET", "/", None, {"x-token": "DEBUG"}),
                   ("GET", "/", None, {"X-Tokens": "debug"})),
        "cookie": ({"cookie": {"name": "role", "regex": "admin"}}, ("GET", "/", None, {"Cookie": "a=b; role=admin"}),
                   ("GET", "/", None, {"Cookie": "roles=admin"})),
        "body": ({"body_regex": "<!ENTITY"}, ("POST", "/", "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]><a/>", {"Content-Type": "text/xml"}),
                 ("POST", "/", "<a>ENTITY</a>", {"Content-Type": "text/xml"})),
        "json-body": ({"body_regex": '"role"\\s*:\\s*"root"'}, ("POST", "/", '{"role" : "root"}', {"Content-Type": "application/json"}),
                      ("POST", "/", '{"role":"user"}', {"Content-Type": "application/json"})),
    }
    for name, (when, hit, miss) in cases.items():
        with Nginx(scratch, rules_of(WRITE, scratch, patches=patch(scratch, name, when)), name=f"n-{name}") as nginx:
            check(nginx.send(*hit) == 403 and f"Patch {name}" in nginx.log(), f"{name} misses")
            check(nginx.send(*miss) == 200, f"{name} refuses too much: {nginx.rules()}")


def hostile(scratch):
    """A patch's texts are what they say, whatever is in them: none ends a rule, begins a macro, or refuses anything else."""
    dice = random.Random(7)
    marks = "\"'\\%{}$`#|&;,:@/[]()*+?.^-~<> =!aZ0_é漢"
    texts = ['" "id:1,allow', "a\" \"deny", "%{REMOTE_ADDR}", "'x'", "\\\"", "a,chain", "x\\", "%25{x}", "@rx a", "|b", "é漢"]
    texts += ["".join(dice.choice(marks) for _ in range(dice.randint(1, 12))) for _ in range(50)]
    for i, text in enumerate(texts):
        when = {"argument": {"name": text.strip() or "a", "regex": "^" + "".join("\\" + c if not c.isalnum() and ord(c) < 128 else c for c in text) + "$"}}
        patch(scratch, f"p{i}", when)
        os.makedirs(scratch.path("all"), exist_ok=True)
        os.rename(scratch.path(f"p{i}", f"p{i}.yaml"), scratch.path("all", f"p{i}.yaml"))
    with Nginx(scratch, rules_of(WRITE, scratch, patches=scratch.path("all"))) as nginx:
        for i, text in enumerate(texts):
            nginx.send("POST", "/", encode={text.strip() or "a": text})
            found = re.findall(r"Patch p(\d+)\"", nginx.log())
            check(str(i) in found or any(texts[int(n)] == text for n in found), f"{text!r}: p{i} misses; {found}")
            nginx.send("POST", "/", encode={text.strip() or "a": text + "z"})
            check(f'Patch p{i}"' not in nginx.log(), f"{text!r}: p{i} refuses more")
        check(nginx.form(name="Lan") == 200, "a name is refused")


# --- what is told ---

def hits_of(log):
    done = subprocess.run([HITS], input=log.encode(), capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def hits(scratch):
    """From nginx's log a hit has rule, address and path, and nothing of what was sent: not of names, values, headers, cookies, queries."""
    dice = random.Random(11)
    with Nginx(scratch, rules_of(WRITE, scratch)) as nginx:
        nginx.ask(q="1' UNION SELECT 1--")
        told = hits_of(nginx.log())
        denied = [hit for hit in told if hit["denied"]]
        check(len(denied) == 1 and denied[0]["score"] >= 5 and denied[0]["rule"] == "949110", f"{denied}")
        check({hit["address"] for hit in told} == {"127.0.0.1"} and {hit["path"] for hit in told} == {"/find"}, f"{told}")
        check("942100" in {hit["rule"] for hit in told} and "critical" in {hit["severity"] for hit in told}, f"{told}")
        for i in range(40):
            secret = "Bệnh" + "".join(dice.choice("bcdghklmnpqrstvx") for _ in range(10))
            mark = dice.choice([' [id "1"] ', ', client: 6.6.6.6, server: , request: "GET /' + secret, '"] [msg "', " (Value: `", "\n", '\\"', " ", "a" * dice.choice((1, 2500))])
            attack = dice.choice(["<script>alert(1)</script>", "' or 1=1 --", "/etc/passwd", "${jndi:ldap://x/a}"])
            text = dice.choice([f"{mark}{secret}{attack}", f"{attack}{secret}{mark}", f"{secret}{mark}{attack}{mark}"])
            header = text.replace("\n", " ").encode("utf-8", "replace").decode("latin-1")
            sent = [nginx.form(**{text: text}), nginx.ask(**{secret: text}), nginx.send("GET", "/", headers={"Referer": header, "X-A": header}),
                    nginx.send("GET", "/", headers={"Cookie": "a=" + header}), nginx.send("POST", "/a", json.dumps({text: text}), {"Content-Type": "application/json"}),
                    nginx.send("GET", f"/a;{secret[4:]}?a=/etc/passwd", headers={"User-Agent": header})]
            log = nginx.log()
            found = hits_of(log)
            check(found, f"{i}: nothing is told of {sent}")
            wrong = [hit for hit in found if secret[4:] in json.dumps(hit, ensure_ascii=False) or hit["address"] not in ("", "127.0.0.1") or
                     hit["path"] not in ("", "/", "/a", "/book", "/find")]
            check(not wrong, f"{text!r}: {wrong[:2]}")
            check(sum(hit["denied"] and hit["address"] == "127.0.0.1" for hit in found) == sent.count(403), f"{text!r}: {sent} {found}")


def main():
    need()
    named = sys.argv[3:]
    for act in (ordinary, attacks, levels, bodies, memory, patches, conditions, hostile, hits):
        if not named or act.__name__ in named:
            with harness.Scratch() as scratch:
                act(scratch)
            print(f"ok {act.__name__}", flush=True)


if __name__ == "__main__":
    main()
