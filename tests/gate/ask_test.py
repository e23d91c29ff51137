#!/usr/bin/python3
"""`khien gate` and its agent against something that answers as the gate does: what they say, what they write, and what is left of
it when they are killed. The real gate is behind them in other tests."""
import json
import os
import random
import re
import shlex
import signal
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from alive import SLOW, Program, free_ports, harness, name_of, processes  # noqa: E402
from standin import Control, stamp  # noqa: E402

NUMBER = "ABCD-EFGH-JKMN"
RECORD = {"id": NUMBER, "address": "203.0.113.7", "time": "2026-11-22T03:41:07.120000Z", "verdict": "deny", "reason": "share",
          "known": False, "wait_ms": 4000, "used": 31.5, "share": 0.8}
STANDING = {"address": "203.0.113.7", "verdict": "drop", "reason": "persistent", "since": "2026-11-22T03:40:00Z", "until": None, "list": None,
            "rate": 31.5, "network_rate": 40, "errors": 0.02, "cost": 1.1, "people": 3, "turned_away": 30.2, "share": None, "shared": True,
            "last": RECORD}


def waf_line(n, path="/s/3", rule="949110", message="Inbound Anomaly Score Exceeded (Total Score: 15)"):
    did = "Access denied with code 403 (phase 2)" if rule == "949110" else "Warning"
    return (f'<134>Nov 22 16:00:00 khien: 2026/11/22 16:00:00 [info] 812#812: *{n} ModSecurity: {did}. '
            'Matched "Operator `Ge\' with parameter `5\' against variable `TX:ANOMALY_SCORE\' (Value: `15\' ) '
            '[file "/usr/share/modsecurity-crs/rules/REQUEST-949-BLOCKING-EVALUATION.conf"] [line "80"] ' f'[id "{rule}"] [rev ""] '
            f'[msg "{message}"] [data ""] [severity "2"] [ver "OWASP_CRS/3.3.4"] [maturity "0"] [accuracy "0"] [hostname "127.0.0.1"] '
            f'[uri "{path}"] [unique_id "17953{n}.1"] [ref ""], client: 203.0.113.9, server: , request: "GET {path}?q=1%27 HTTP/1.1", '
            'host: "dangky.example.vn"')


class Case(unittest.TestCase):
    def setUp(self):
        self.scratch = self.enterContext(harness.Scratch())
        self.data = os.path.join(self.scratch.env()["XDG_STATE_HOME"], "khien", "gate")
        os.chmod(self.scratch.name, 0o711)  # started by root, others pass through it
        os.makedirs(self.data)

    def gate(self, *words, status=0, env=None):
        done = self.scratch.khien("gate", *words, "--data", self.data, env=env)
        self.assertEqual(done.status, status, (words, done.out, done.err))
        return done

    def control(self, **more):
        return self.enterContext(Control(self.data, **more))

    def lists(self):
        with open(os.path.join(self.data, "state", "lists"), encoding="utf-8") as file:
            return file.read()


class Ask(Case):
    def test_status(self):
        control = self.control()
        self.gate("block", "198.51.100.0/24", "--why", "x")
        out = self.gate("status", "--lang", "en").out.decode()
        self.assertRegex(out, r"(?m)^state +at rest: nobody is turned away$")
        self.assertRegex(out, r"(?m)^share +a person 2\.50 requests/s; who has no pass 0\.00 requests/s$")
        self.assertRegex(out, r"(?m)^site +answers in 840 ms \(normally 45 ms\), fails 3\.1 %, waiting 31; the gate is late by 2 ms, busy 31 %$")
        self.assertRegex(out, r"(?m)^verdicts +let through 120331 · turned away 40$")
        self.assertRegex(out, r"(?m)^reasons +stranger 30 · share 10$")
        self.assertRegex(out, r"(?m)^lists +allowed 0, blocked 1$")
        self.assertLessEqual(max(map(len, out.splitlines())), 120)
        control.strict_since = stamp(time.time() - 200)
        out = self.gate("status", "--lang", "en", status=1).out.decode()
        self.assertRegex(out, r"(?m)^state +strict since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(3 minutes\)$")
        self.assertEqual(json.loads(self.gate("status", "--json", status=1).out), control.status())
        for language in "vi", "zh":
            self.assertEqual(len(self.gate("status", "--lang", language, status=1).out.decode().splitlines()), len(out.splitlines()))

    def test_no_gate(self):
        self.assertIn("no gate runs", self.gate("status", status=2).err)
        control = self.control()
        for raw, says in ((b"", "is no gate"), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "is no gate"),
                          (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "answers 200"),
                          (b'HTTP/1.1 500 No\r\nContent-Length: 19\r\n\r\n{"error":"\\u001b["}', "answers 500: ")):
            control.raw = raw
            self.assertIn(says, self.gate("status", status=2).err)

    def test_why_a_number(self):
        control = self.control()
        control.known[NUMBER] = RECORD
        out = self.gate("why", NUMBER, "--lang", "en").out.decode()
        self.assertIn("This person sends more than one person's share", out)
        self.assertIn("It had 31.50 requests/s; its share: 0.80 requests/s.", out)
        self.assertIn("It was told to come back after 4 s.", out)
        self.assertIn("It showed no valid pass.", out)
        for typed in "abcdefghjkmn", "ABCD EFGH JKMN", "abcd.efgh-jkmn":
            self.assertEqual(self.gate("why", typed, "--lang", "en").out.decode(), out)
        control.known["0110-0000-0000"] = RECORD
        self.gate("why", "oiLO-OOOO-0000")
        # the command that is printed can be typed as it stands
        command = re.search(r"To let it in: +khien (gate allow .*)", out)[1]
        done = self.scratch.khien(*shlex.split(command))
        self.assertEqual(done.status, 0, done.err)
        self.assertIn("allow 203.0.113.7 until ", control.lists[-1])
        self.assertEqual(json.loads(self.gate("why", NUMBER, "--json").out), RECORD)
        says = {language: self.gate("why", "0000-0000-0000", "--lang", language, status=1).err for language in ("vi", "en", "zh")}
        self.assertIn("not known, or not any more", says["en"])
        self.assertEqual(len(set(says.values())), 3)

    def test_why_an_address(self):
        control = self.control()
        control.known["203.0.113.7"] = STANDING
        control.known["2001:db8::7"] = {**STANDING, "verdict": "pass", "reason": "allowed", "shared": False, "last": None, "list": {
            "action": "allow", "prefix": "2001:db8::/48", "until": None, "by": "an", "why": "us \x1b[2J"}}
        out = self.gate("why", "203.0.113.7", "--lang", "en").out.decode()
        self.assertIn("203.0.113.7: the next request without a pass would be: cut off.", out)
        self.assertIn("It was turned away again and again, and goes on.", out)
        self.assertIn("Several people share this address", out)
        self.assertIn("its share: without bound.", out)
        self.assertIn(f"The latest time: {NUMBER}, at ", out)
        out = self.gate("why", "2001:DB8:0::7", "--lang", "en").out.decode()
        self.assertIn("On the list: 2001:db8::/48, by an, until it is taken back: us \\x1b[2J", out)
        self.assertIn(f"To take that back:  khien gate unblock 2001:db8::/48 --data {self.data}", out)
        self.assertNotIn("To let it in", out)
        for wrong in "203.0.113.0/24", "ABCD-EFGH", "ABCD-EFGH-JKMU", "x":
            self.gate("why", wrong, status=2)


class Lists(Case):
    def test_a_change_and_its_undo(self):
        control = self.control()
        before = time.time()
        done = self.gate("block", "203.0.113.9/24", "--why", "it's \"them\"", env=self.scratch.env(SUDO_USER="an"))
        self.assertEqual(self.lists(), control.lists[-1])
        line = re.fullmatch(r'block 203\.0\.113\.0/24 until (\S+) by an why "it\'s .*"\n', self.lists())
        self.assertTrue(line, self.lists())
        until = time.mktime(time.strptime(line[1], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        self.assertTrue(3598 <= until - before <= 3700, line[1])
        first = self.lists()
        # another word on the same prefix takes the place of the one before; both can be undone
        undo_first = re.search("undo: khien (.*)", done.out.decode())[1]
        done = self.gate("allow", "203.0.113.0/24", "--forever", "--why", "ours")
        self.assertRegex(self.lists(), r'\Aallow 203\.0\.113\.0/24 until never by \S+ why "ours"\n\Z')
        undo = self.scratch.khien(*shlex.split(re.search("undo: khien (.*)", done.out.decode())[1]), env=self.scratch.env(SUDO_USER="an"))
        self.assertEqual(undo.status, 0, undo.err)
        self.assertEqual(self.lists(), first)
        self.assertEqual(self.scratch.khien(*shlex.split(undo_first)).status, 0)
        self.assertEqual((self.lists(), control.lists[-1]), ("", ""))
        self.assertIn("isn't on the list", self.gate("unblock", "203.0.113.0/24", status=1).err)

    def test_without_a_gate(self):
        self.assertIn("it counts from its start", self.gate("block", "203.0.113.9", "--why", "x").out.decode())
        self.assertIn("block 203.0.113.9", self.lists())
        self.assertEqual(os.stat(os.path.join(self.data, "state")).st_mode & 0o77, 0)

    def test_what_is_refused(self):
        self.control()
        config = self.scratch.write("khien.yaml", "gate:\n  upstream: http://192.0.2.80:8480\n  proxies: [198.51.100.16/28]\n")
        ssh = self.scratch.env(SSH_CONNECTION="203.0.113.44 50000 10.0.0.1 22")
        for prefix, why in (("127.0.0.1", "this machine"), ("::1", "this machine"), ("0.0.0.0/0", "this machine"), ("9.0.0.0/15", "wider than"),
                            ("2001:db8::/31", "wider than"), ("192.0.2.80", "the site"), ("192.0.2.0/24", "the site"),
                            ("198.51.100.17", "a proxy"), ("198.51.100.0/24", "a proxy"), ("203.0.113.0/24", "logged in from")):
            done = self.scratch.khien("gate", "block", prefix, "--why", "x", "--data", self.data, "--config", config, env=ssh)
            self.assertEqual(done.status, 2, prefix)
            self.assertIn(why, done.err)
        self.assertFalse(os.path.exists(os.path.join(self.data, "state", "lists")))
        # sudo leaves nothing of it in the environment: a parent has it
        done = harness.subprocess.run(["sh", "-c", f"env -u SSH_CONNECTION {harness.KHIEN} gate block 203.0.113.44 --why x --data {self.data}; exit $?"],
                                      env=ssh, capture_output=True, text=True, check=False)
        self.assertIn("logged in from", done.stderr)
        done = self.scratch.khien("gate", "block", "203.0.113.0/24", "--why", "x", "--really", "--data", self.data, env=ssh)
        self.assertEqual(done.status, 0, done.err)

    def test_until_when(self):
        for words, says in ((["--for", "2"], "--for: a whole number"), (["--for", "0h"], "--for"), (["--for", "2y"], "--for"),
                            (["--until", "2020-01-01"], "over already"), (["--until", "soon"], "--until: a time"),
                            (["--until", "18:00", "--forever"], "one of them"), (["--for", "9999999w"], "write --forever")):
            self.assertIn(says, self.gate("block", "203.0.113.9", "--why", "x", *words, status=2).err)
        self.assertIn("--why is wanted", self.gate("block", "203.0.113.9", status=2).err)
        self.assertIn("119 bytes", self.gate("block", "203.0.113.9", "--why", "x" * 120, status=2).err)
        self.assertIn("one line", self.gate("block", "203.0.113.9", "--why", "x\ny", status=2).err)
        for words, until in ((["--until", "2035-06-01T18:00:00+07:00"], "2035-06-01T11:00:00Z"), (["--until", "2035-06-01 18:00"], "2035-06-01T18:00:00Z"),
                             (["--until", "2035-06-01"], "2035-06-02T00:00:00Z"), (["--forever"], "never")):
            self.gate("allow", "203.0.113.9", "--why", "x", *words, env=self.scratch.env(TZ="UTC"))
            self.assertIn(f" until {until} by ", self.lists())

    def test_by_hand(self):
        """What people wrote stays as it is; a line that is wrong is named, and nothing is written."""
        control = self.control()
        path = os.path.join(self.data, "state", "lists")
        mine = '# the hospital\'s own\nallow   10.20.0.0/16 until never by root why "us"\n\n'
        with open(path, "w", encoding="utf-8") as file:
            file.write(mine + 'block 192.0.2.1 until 2020-01-01T00:00:00Z by root why "over"\n')
        self.gate("block", "203.0.113.9", "--why", "x")
        self.assertTrue(self.lists().startswith(mine), self.lists())
        self.assertNotIn("192.0.2.1", self.lists())
        with open(path, "a", encoding="utf-8") as file:
            file.write("blok 1.2.3.4\n")
        was = self.lists()
        for words in (["block", "203.0.113.10", "--why", "x"], ["unblock", "203.0.113.9"], ["lists"]):
            self.assertIn(f"{path}:5: ", self.gate(*words, status=2).err)
        self.assertEqual((self.lists(), len(control.lists)), (was, 1))

    def test_twenty_at_once(self):
        control = self.control()
        results = []

        def block(i):
            results.append(self.scratch.khien("gate", "block", f"203.0.113.{i}", "--why", f"number {i}", "--data", self.data).status)
        threads = [threading.Thread(target=block, args=(i,)) for i in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(results, [0] * 20)
        self.assertEqual(len(self.lists().splitlines()), 20)
        self.assertEqual(control.lists[-1], self.lists())
        # each list that the gate got has one more than the one before
        self.assertEqual([text.count("\n") for text in control.lists], list(range(1, 21)))
        listed = [json.loads(line) for line in self.gate("lists", "--json").out.splitlines()]
        self.assertEqual({(e["prefix"], e["why"]) for e in listed}, {(f"203.0.113.{i}", f"number {i}") for i in range(20)})
        self.assertRegex(listed[0]["until"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")


class Running(Case):
    """The agent runs alone where nginx is the machine's own."""

    def agent(self, **more):
        with open(os.path.join(self.data, "installed"), "w", encoding="utf-8") as file:
            file.write("/etc/nginx\n")
        return Program(self.scratch, [harness.KHIEN, "gate", "--data", self.data], **more)

    def told(self, whole=True):
        """All lines of all files, the oldest first."""
        found = []
        for i in range(7, -1, -1):
            path = os.path.join(self.data, "state", "events.jsonl" + (f".{i}" if i else ""))
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    found += [json.loads(line) for line in file if whole or line.endswith("\n")]
        return found

    def wait(self, ready, seconds=20):
        end = time.monotonic() + seconds * SLOW
        while not ready():
            if time.monotonic() > end:
                raise AssertionError(f"{self.told()[-3:]}")
            time.sleep(0.05)

    def actions(self):
        return [e["event.action"] for e in self.told(whole=False)]


class Agent(Running):
    def test_events(self):
        control = self.control()
        control.events(kind="strict", **{"from": None, "bits": 0})
        control.events(**{"from": "203.0.113.0", "bits": 120, "id": NUMBER})
        control.strict_since = stamp(time.time() - 35 * 60)
        with self.agent():
            self.wait(lambda: "flood-goes-on" in self.actions())
            control.events(2500)
            self.wait(lambda: len(self.told(False)) >= 2503)
        strict, network, lasting = self.told()[:3]
        self.assertEqual((strict["event.action"], strict["event.dataset"]), ("flood-began", "khien.gate"))
        self.assertEqual((network["gate.prefix"], network["gate.number"], network.get("source.ip")), ("203.0.113.0/24", NUMBER, None))
        self.assertEqual((lasting["gate.minutes"], lasting["gate.rate"]), (35, 2083))
        self.assertEqual([e["gate.seq"] for e in self.told()[3:]], list(range(3, 2503)))
        with open(os.path.join(self.data, "state", "normal"), encoding="utf-8") as file:
            self.assertEqual(file.read(), control.normal)
        with self.agent():  # within the same ten minutes it isn't said again
            control.events()
            self.wait(lambda: len(self.told(False)) >= 2504)
        self.assertEqual(self.actions().count("flood-goes-on"), 1)

    def test_a_gate_that_was_started_anew(self):
        control = self.control()
        control.events(30)
        with self.agent():
            self.wait(lambda: len(self.told(False)) == 30)
        first = control.zone
        control.anew()
        control.events(50)
        with self.agent():
            self.wait(lambda: len(self.told(False)) == 80)
        self.assertEqual([(e["gate.zone"], e["gate.seq"]) for e in self.told()],
                         [(first, i + 1) for i in range(30)] + [(control.zone, i + 1) for i in range(50)])

    def test_what_was_overwritten_is_counted(self):
        control = self.control(ring=1000)
        control.events(5)
        with self.agent():
            self.wait(lambda: len(self.told(False)) == 5)
        control.events(4000)
        with self.agent():
            self.wait(lambda: len(self.told(False)) == 1006)
        lost = self.told()[5]
        self.assertEqual((lost["event.action"], lost["gate.count"], lost["gate.seq"]), ("events-lost", 3000, 3005))

    def test_killed(self):
        """Twenty times, wherever it is: each event of the ring is told once."""
        control = self.control(ring=1 << 20)
        ends, chance = threading.Event(), random.Random(9)

        def go_on():
            while not ends.wait(0.02):
                control.events(chance.randrange(90))
        feeder = threading.Thread(target=go_on)
        feeder.start()
        for _ in range(20):
            with self.agent() as gate:
                time.sleep(0.9 + chance.random() * 0.3)
                os.kill(next(pid for pid in processes(gate.process.pid) if "gate-age" in name_of(pid)), signal.SIGKILL)
                gate.stop(signal.SIGKILL)
        ends.set()
        feeder.join()
        with self.agent():
            self.wait(lambda: self.told_at_least(len(control.all)), 60)
        seqs = [e["gate.seq"] for e in self.told()]
        self.assertEqual(seqs, list(range(1, len(control.all) + 1)))
        self.assertEqual(len({e["khien.id"] for e in self.told()}), len(seqs))

    def told_at_least(self, n):
        try:
            return max((e["gate.seq"] for e in self.told(False)), default=0) >= n
        except json.JSONDecodeError:
            return False

    def test_the_error_log(self):
        self.control()
        with self.agent() as gate:
            log = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            log.connect(os.path.join(self.data, "nginx", "log.sock"))
            log.send(waf_line(1, rule="942100", message="SQL Injection Attack Detected via libinjection").encode())
            log.send(waf_line(1).encode())
            log.send(waf_line(2).encode())
            log.send(b"<190>Nov 22 16:00:00 khien: 2026/11/22 16:00:00 [info] 1#1: *4 client closed connection, client: 203.0.113.5")
            log.send(b"<187>Nov 22 16:00:00 khien: 2026/11/22 16:00:00 [error] 1#1: *5 upstream timed out, client: 203.0.113.5, "
                     b'request: "GET /s/3?a=1,%20phone=0900012345 HTTP/1.1", upstream: "http://127.0.0.1:1/s/3?phone=0900012345", host: "a"')
            gate.says("upstream timed out")
            said = next(line for line in gate.said if "upstream timed out" in line)
            self.assertNotIn("0900012345", said)
            self.assertIn("/s/3?", said)
            self.assertIn("host:", said)
            self.wait(lambda: "waf-refused" in self.actions())
            for i in range(300):
                log.send(f"<187>Nov 22 16:00:00 khien: 2026/11/22 16:00:00 [error] 1#1: *{i} no live upstreams".encode())
            gate.says("event=nginx-lines-shed")
            self.assertLess(sum("no live upstreams" in line for line in gate.said), 100)
            self.assertFalse([line for line in gate.said if "client closed" in line])
        # of one that refused because of what the rules before it added up, the rule is told that did
        hits = [e for e in self.told() if e["event.action"].startswith("waf-")]
        self.assertEqual([(e["event.action"], e["source.ip"], e["url.path"], e["rule.id"]) for e in hits],
                         [("waf-refused", "203.0.113.9", "/s/3", "942100"), ("waf-refused", "203.0.113.9", "/s/3", "949110")])

    def test_more_attacks_than_are_told(self):
        self.control()
        with self.agent():
            log = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            log.connect(os.path.join(self.data, "nginx", "log.sock"))
            for i in range(4000):
                log.send(waf_line(i).encode())
            self.wait(lambda: self.counted() >= 4000)
        self.assertIn("waf-events-shed", self.actions())
        self.assertEqual(self.counted(), 4000)

    def counted(self):
        try:
            told = self.told(False)
        except json.JSONDecodeError:
            return 0
        return sum(e.get("gate.count", 0) if e["event.action"] == "waf-events-shed" else e["event.action"] == "waf-refused" for e in told)

    def test_operators(self):
        self.control()
        with self.agent() as gate:
            self.gate("block", "203.0.0.0/8", "--really", "--why", "all of them", env=self.scratch.env(SUDO_USER="an"))
            self.wait(lambda: "operator-blocked" in self.actions())
            self.gate("unblock", "203.0.0.0/8")
            self.wait(lambda: "operator-withdrew" in self.actions())
            with open(os.path.join(self.data, "state", "lists"), "w", encoding="utf-8") as file:
                file.write("blok\n")
            gate.says("lists:1: ")
        event = next(e for e in self.told() if e["event.action"] == "operator-blocked")
        self.assertEqual((event["user.name"], event["gate.prefix"], event["gate.wide"], event["gate.why"]),
                         ("an", "203.0.0.0/8", True, "all of them"))


class Hub(Running):
    """A gate's event becomes an alert, with nothing said to hub or post of where the gate's events are."""

    def test_alert(self):
        port = free_ports()[0]
        rules = os.path.join(harness.ROOT, "rules", "gate.yml")
        with Program(self.scratch, [harness.KHIEN, "hub", "--data", self.scratch.path("hub"), "--rules", rules, "--no-listen", "--http",
                                    f"127.0.0.1:{port}", "--json", "--lang", "en"]) as hub:
            control = self.control()
            control.events(kind="strict", **{"from": None, "bits": 0})
            with self.agent():
                alert = hub.next_alert(30)
                self.assertEqual(alert["alert"]["rule"]["title"], "The site is under a flood")
                done = self.scratch.khien("find", "flood-began", "--data", self.scratch.path("hub"), "--json")
                self.assertEqual(len(done.out.splitlines()), 1, done)
                self.assertEqual(json.loads(done.out)["event.dataset"], "khien.gate")

    def test_alert_through_a_post(self):
        port = free_ports()[0]
        rules, home = os.path.join(harness.ROOT, "rules", "gate.yml"), self.scratch.path("post")
        config = self.scratch.write("hub.yaml", "hub:\n  names: [127.0.0.1]\n")
        with Program(self.scratch, [harness.KHIEN, "hub", "--config", config, "--data", self.scratch.path("hub"), "--rules", rules, "--no-journal",
                                    "--no-listen", "--https", f"127.0.0.1:{port}", "--json", "--lang", "en"]) as hub:
            invite = self.scratch.khien("hub", "token", "--post", "--data", self.scratch.path("hub"), "--quiet", "--hub",
                                        f"127.0.0.1:{port}", "gate1").out
            done = self.scratch.khien("post", "enrol", "--data", home, "--name", "gate1", "-", stdin=invite)
            self.assertEqual(done.status, 0, done.err)
            control = self.control()
            with Program(self.scratch, [harness.KHIEN, "post", "--data", home]):
                control.events(kind="strict", **{"from": None, "bits": 0})
                with self.agent():
                    alert = hub.next_alert(30)
                    self.assertEqual(alert["alert"]["rule"]["title"], "The site is under a flood")


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
