#!/usr/bin/python3
"""Alerts of khien watch: matches grouped by rule, host, user and address, for people and for programs."""
import json
import os
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import watch_test  # noqa: E402

RULES = """
title: Password of somebody tried
id: 00000000-0000-4000-8000-000000000001
level: high
tags: [attack.t1110]
advice:
  vi: Chặn địa chỉ này.
  en: Block this address.
  zh: 请封禁该地址。
logsource: {product: linux, service: sshd}
detection:
  selection:
    event.outcome: failure
    user.name|contains: o
    source.ip|contains: .
  condition: selection
---
title: Guessing
id: 00000000-0000-4000-8000-000000000002
level: critical
correlation:
  type: event_count
  rules: [00000000-0000-4000-8000-000000000001]
  group-by: [source.ip]
  timespan: 1h
  condition: {gte: 15}
  generate: true
"""


def failed(second, user="root", address="203.0.113.9", host="web1"):
    when = f"2026-03-01T{10 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    return f"<38>1 {when} {host} sshd 71 - - Failed password for {user} from {address} port 4022 ssh2\n"


class EventTime(unittest.TestCase):
    def test_what_was_written_long_ago_is_correlated(self):
        """The machine's date plays no part: what is read now may have waited for hours."""
        watch_test.RULES, kept = RULES.replace("gte: 15", "gte: 3"), watch_test.RULES
        self.addCleanup(setattr, watch_test, "RULES", kept)
        with harness.Scratch() as scratch:
            log = scratch.write("auth.log", "")
            with watch_test.Watch(scratch, log) as watch:
                for second in (0, 600, 1200):
                    watch_test.append(log, failed(second), end="")
                    self.assertEqual(watch.next_alert()["rule"]["id"][-1], "1")
                    time.sleep(0.6)
                self.assertEqual(watch.next_alert()["rule"]["id"][-1], "2")
                self.assertEqual(watch.stop(), 0)


class Alerts(unittest.TestCase):
    def play(self, lines, *words, lang="en"):
        with harness.Scratch() as scratch:
            rules, log = scratch.write("rules/r.yml", RULES), scratch.write("auth.log", "".join(lines))
            env = scratch.env(TZ="UTC", LC_ALL="vi_VN.UTF-8" if lang == "vi" else "C.UTF-8")
            done = scratch.khien("watch", "--rules", rules, "--play-only", "--play", log, *words, env=env)
            self.assertEqual(done.status, 0, done.err)
            self.err = done.err
            return done.out.decode()

    def records(self, lines, *words):
        return [json.loads(line) for line in self.play(lines, "--json", *words).splitlines()]

    def test_first_in_full_then_counted(self):
        text = self.play([failed(i) for i in range(12)])
        self.assertEqual(text.count("Block this address."), 1)
        lines = [line for line in text.splitlines() if "Password of somebody tried" in line]
        self.assertEqual(len(lines), 3, text)
        self.assertRegex(lines[1], r"10:00:09 .*×10 so far .* · web1 · root · 203\.0\.113\.9 · since 10:00:00")
        self.assertRegex(lines[2], r"10:00:11 .*over, ×12 ")
        self.assertIn("alerts=1", self.err)

    def test_advice_in_the_language_of_the_environment(self):
        text = self.play([failed(i) for i in range(2)], lang="vi")
        self.assertIn("Chặn địa chỉ này.", text)
        self.assertIn("đã hết, ×2", text)
        self.assertIn("至今 ×10", self.play([failed(i) for i in range(12)], "--lang", "zh"))

    def test_no_group(self):
        text = self.play([failed(i) for i in range(12)], "--no-group")
        self.assertEqual(text.count("Block this address."), 12)
        self.assertNotIn("×", text)

    def test_json_is_ungrouped_unless_asked(self):
        alerts = self.records([failed(i) for i in range(12)])
        self.assertEqual([a["at"]["line"] for a in alerts], list(range(1, 13)))
        self.assertTrue(all("alert" not in a for a in alerts))

    def test_json_group(self):
        alerts = self.records([failed(i) for i in range(12)], "--group")
        self.assertEqual([(a["alert"]["news"], a["alert"]["count"]) for a in alerts],
                         [("new", 1), ("more", 10), ("over", 12)])
        first, more, _ = alerts
        self.assertEqual(list(first), ["alert", "recording", "match"])
        self.assertEqual(list(first["alert"]),
                         ["id", "news", "rule", "host", "user", "address", "count", "first", "last"])
        self.assertEqual(first["match"]["at"]["line"], 1)
        self.assertEqual(first["match"]["advice"]["en"], "Block this address.")
        self.assertNotIn("match", more)
        self.assertEqual(len({a["alert"]["id"] for a in alerts}), 1)
        self.assertRegex(first["alert"]["id"], "^[0-9a-f]{16}$")
        self.assertEqual((more["alert"]["host"], more["alert"]["user"], more["alert"]["address"]),
                         ("web1", "root", "203.0.113.9"))
        self.assertEqual((more["alert"]["first"], more["alert"]["last"]),
                         ("2026-03-01T10:00:00Z", "2026-03-01T10:00:09Z"))
        # the same alert has the same id wherever it is worked out
        again = self.records([failed(i) for i in range(12)], "--group")
        self.assertEqual([a["alert"]["id"] for a in again], [a["alert"]["id"] for a in alerts])

    def test_what_tells_groups_apart(self):
        lines = [failed(0), failed(1, user="bob"), failed(2, address="203.0.113.10"), failed(3, host="web2"),
                 failed(4), failed(5, user="bob")]
        alerts = self.records(lines, "--group")
        self.assertEqual([a["match"]["at"]["line"] for a in alerts if a["alert"]["news"] == "new"], [1, 2, 3, 4])
        self.assertEqual({(a["alert"]["user"], a["alert"]["count"]) for a in alerts if a["alert"]["news"] == "over"},
                         {("root", 2), ("bob", 2)})

    def test_correlation_is_known_by_what_it_groups_by(self):
        alerts = self.records([failed(i, user=f"o{i}") for i in range(20)], "--group")
        guessing = [a["alert"] for a in alerts if a["alert"]["rule"]["title"] == "Guessing"]
        self.assertEqual(len(guessing), 1)
        self.assertEqual(guessing[0]["address"], "203.0.113.9")
        self.assertNotIn("user", guessing[0])  # the last of twenty is not who did it

    def test_quiet_for_long_is_another_alert(self):
        """By event time: 5 minutes of quiet end an alert, and an hour does."""
        seconds = [0, 300, 601, 602]
        alerts = self.records([failed(s) for s in seconds], "--group")
        self.assertEqual([(a["alert"]["news"], a["alert"]["count"]) for a in alerts if "1" == a["alert"]["rule"]["id"][-1]],
                         [("new", 1), ("more", 2), ("new", 1), ("over", 2)])
        alerts = self.records([failed(s) for s in range(0, 3661, 60)], "--group")
        new = [a for a in alerts if a["alert"]["news"] == "new" and a["alert"]["rule"]["id"][-1] == "1"]
        self.assertEqual([a["alert"]["first"] for a in new], ["2026-03-01T10:00:00Z", "2026-03-01T11:01:00Z"])

    def test_more_groups_than_there_is_room_for(self):
        lines = [failed(0, user=f"o{i}") for i in range(4200)]
        alerts = self.records(lines + [failed(1, user="o0"), failed(1, user="o4199")], "--group")
        news = [a["alert"]["news"] for a in alerts]
        self.assertEqual(news.count("alone") + news.count("new"), 4202)  # 4200, the correlation's, one again
        self.assertGreaterEqual(news.count("alone"), 100)
        self.assertEqual(news.count("over"), 1)

    def test_foreign_bytes(self):
        lines = [failed(i, host="web\033[2J1\u202e") for i in range(12)]
        text = self.play(lines)
        self.assertEqual(re.findall("[\033\u202e]", text), [])
        self.assertRegex(text, r"over, ×12 .*web\\x1b\[2J1\\u\{202e\}")


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
