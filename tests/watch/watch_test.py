#!/usr/bin/python3
"""khien watch, as a person runs it: recordings, files that grow and rotate, syslog, the journal, terminals, privileges."""
import calendar
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from alive import SLOW, Program, children, failed, free_ports, harness, runs, status_of  # noqa: E402

OLD = "2026-03-01T10:00:00Z"
ROOT = os.geteuid() == 0

RULES = """
title: Password of root tried
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
    user.name: root
    event.outcome: failure
  condition: selection
---
title: Someone failed
id: 00000000-0000-4000-8000-000000000002
name: failed
level: low
logsource: {product: linux, service: sshd}
detection:
  selection: {event.outcome: failure}
  condition: selection
---
title: A page is asked for
id: 00000000-0000-4000-8000-000000000003
name: asked
level: low
logsource: {category: webserver}
detection:
  selection: {cs-uri-stem: /booking}
  condition: selection
---
title: Asks for the page, then fails to log in
id: 00000000-0000-4000-8000-000000000004
level: critical
correlation:
  type: temporal_ordered
  rules: [asked, failed]
  aliases:
    address:
      asked: c-ip
      failed: source.ip
  group-by: [address]
  timespan: 5m
"""


class Watch(Program):
    """`khien watch --json`, listening for syslog on .port."""

    def __init__(self, scratch, *words, prefix=(), **more):
        rules = scratch.write("rules/r.yml", RULES)
        self.port, = free_ports()
        super().__init__(scratch, [*prefix, harness.KHIEN, "watch", "--rules", rules, "--json", "--syslog",
                                   f"127.0.0.1:{self.port}", "--", *words], **more)


def append(path, *lines, end="\n"):
    with open(path, "a", encoding="utf-8") as file:
        file.write("\n".join(lines) + end)


class Recordings(unittest.TestCase):
    def play(self, scratch, *words):
        done = scratch.khien("watch", "--rules", scratch.write("rules/r.yml", RULES), "--play-only", *words)
        self.assertEqual(done.status, 0, done.err)
        return done

    def test_two_are_told_as_one_in_order_of_time(self):
        with harness.Scratch() as scratch:
            access = scratch.write("access.log", "".join(
                f'203.0.113.9 - - [01/Mar/2026:{when} +0000] "GET /booking HTTP/1.1" 200 5 "-" "-"\n'
                for when in ("09:59:58", "11:00:00")))
            auth = scratch.write("auth.log", failed(when=OLD) + "\n")
            done = self.play(scratch, "--json", "--play", auth, "--play", access)
            alerts = [json.loads(line) for line in done.out.decode().splitlines()]
            self.assertEqual([a["rule"]["id"][-1] for a in alerts], ["1", "4"])
            self.assertTrue(all(a["recording"] is True for a in alerts))
            self.assertEqual(list(alerts[0]), ["rule", "at", "fields", "time", "host", "count", "khien.id", "recording",
                                               "advice"])
            self.assertEqual(list(alerts[0]["rule"]), ["id", "title", "level", "tags"])
            self.assertEqual(alerts[0]["at"], {"file": auth, "line": 1})
            self.assertEqual(alerts[0]["time"], "2026-03-01T10:00:00Z")
            self.assertEqual(alerts[0]["advice"]["zh"], "请封禁该地址。")
            self.assertEqual(alerts[1]["count"], 2)
            self.assertIn("event=played events=3 alerts=2", done.err)

    def test_languages_and_mark(self):
        with harness.Scratch() as scratch:
            auth = scratch.write("auth.log", failed(when=OLD) + "\n")
            for lang, mark, advice in (("vi", "BẢN GHI", "Chặn"), ("en", "RECORDING", "Block"), ("zh", "回放", "封禁")):
                text = self.play(scratch, "--lang", lang, "--play", auth).out.decode()
                self.assertIn(mark, text)
                self.assertIn(advice, text)
            env = scratch.env(LC_ALL="vi_VN.UTF-8")
            done = scratch.khien("watch", "--rules", "rules", "--play-only", "--play", auth, env=env)
            self.assertIn("BẢN GHI", done.out.decode())

    def test_one_that_is_broken_takes_nothing_from_the_other(self):
        with harness.Scratch() as scratch:
            broken = scratch.write("broken.log", b"\xff\xfeu\0t\0f\0\n\0")
            auth = scratch.write("auth.log", failed(when=OLD) + "\n")
            done = self.play(scratch, "--json", "--play", broken, "--play", auth)
            self.assertIn("event=not-played", done.err)
            self.assertEqual(len(done.out.splitlines()), 1)

    def test_can_be_stopped(self):
        with harness.Scratch() as scratch:
            rules, fifo = scratch.write("rules/r.yml", RULES), scratch.path("endless")
            os.mkfifo(fifo)
            process = subprocess.Popen([harness.KHIEN, "watch", "--rules", rules, "--play-only", "--play", fifo],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=scratch.env())
            line = (failed(when=OLD) + "\n").encode() * 100
            with open(fifo, "wb", buffering=0) as writer:
                while b"event=playing" not in process.stderr.readline():
                    pass
                process.send_signal(signal.SIGINT)
                with self.assertRaises(BrokenPipeError):  # it reads no further
                    for _ in range(100000):
                        writer.write(line)
            self.assertIn(b"event=played", process.stderr.read())
            self.assertEqual(process.wait(20 * SLOW), 0)
            process.stderr.close()

    def test_missing_ones(self):
        with harness.Scratch() as scratch:
            rules = scratch.write("rules/r.yml", RULES)
            for words, says in ((["--rules", rules, "--play", "none.log"], "none.log"), (["--rules", "nowhere"], "nowhere"),
                                (["--rules", rules, "--syslog", "localhost"], "127.0.0.1:5514")):
                done = scratch.khien("watch", *words, "--play-only" if "--play" in words else "--no-journal")
                self.assertEqual(done.status, 2, words)
                self.assertIn(says, done.err)


class Files(unittest.TestCase):
    def test_grows(self):
        with harness.Scratch() as scratch:
            log = scratch.write("auth.log", (failed(when=OLD) + "\n") * 3 + "half a line")
            with Watch(scratch, log) as watch:
                watch.quiet()  # what is there already is not news
                append(log, " ends here", failed())
                alert = watch.next_alert()
                self.assertEqual(alert["at"], {"file": log, "line": 5})
                self.assertNotIn("recording", alert)
                append(log, failed(), end="")
                watch.quiet()  # a line is a line when it ends
                append(log, "")
                self.assertEqual(watch.next_alert()["at"]["line"], 6)
                self.assertEqual(watch.stop(signal.SIGINT), 0)
                watch.says("event=stopped")
                watch.says("alerts=2")

    def test_rotates(self):
        with harness.Scratch() as scratch:
            log = scratch.write("auth.log", failed(when=OLD) + "\n")
            with Watch(scratch, log) as watch:
                os.rename(log, log + ".1")
                append(log + ".1", failed())  # the writer has not reopened it yet
                self.assertEqual(watch.next_alert()["at"]["line"], 2)
                append(log, "first " * 3, failed())
                self.assertEqual(watch.next_alert()["at"]["line"], 2)
                os.rename(log, log + ".2")
                append(log, failed())
                self.assertEqual(watch.next_alert()["at"]["line"], 1)
                time.sleep(1.5)
                os.truncate(log, 0)  # copytruncate
                time.sleep(0.6 * SLOW)
                append(log, failed())
                self.assertEqual(watch.next_alert()["at"]["line"], 1)
                watch.quiet()

    def test_appears_later(self):
        with harness.Scratch() as scratch:
            log = scratch.path("later.log")
            with Watch(scratch, log) as watch:
                watch.says("event=not-watched")
                self.assertTrue(any("later.log" in line and "No such file" in line for line in watch.said))
                append(log, failed())
                self.assertEqual(watch.next_alert()["at"]["line"], 1)

    def test_burst_loses_nothing(self):
        with harness.Scratch() as scratch:
            log = scratch.write("auth.log", "")
            count = 20000
            with Watch(scratch, log) as watch:
                append(log, *[failed()] * count)
                lines = [watch.next_alert(20)["at"]["line"] for _ in range(count)]
                self.assertEqual(lines, list(range(1, count + 1)))

    def test_not_a_log(self):
        with harness.Scratch() as scratch:
            fifo, log = scratch.path("fifo"), scratch.write("auth.log", "")
            os.mkfifo(fifo)
            noise = scratch.write("noise.log", "")
            with Watch(scratch, fifo, noise, log) as watch:
                watch.says("not a regular file")
                append(noise, "neither this nor that")
                append(log, failed())
                self.assertEqual(watch.next_alert()["at"]["file"], log)

    def test_reader_goes_away(self):
        with harness.Scratch() as scratch:
            rules, log = scratch.write("rules/r.yml", RULES), scratch.write("auth.log", "")
            reader, writer = os.pipe()
            process = subprocess.Popen([harness.KHIEN, "watch", "--rules", rules, "--no-syslog", "--json", log],
                                       stdout=writer, stderr=subprocess.PIPE, env=scratch.env(), cwd=scratch.name)
            os.close(writer)
            os.close(reader)
            while b"event=ready" not in process.stderr.readline():
                pass
            append(log, failed())
            said = process.stderr.read().decode()
            self.assertEqual(process.wait(20 * SLOW), 2)
            self.assertIn("Broken pipe", said)
            process.stderr.close()


class Syslog(unittest.TestCase):
    def test_udp(self):
        with harness.Scratch() as scratch, Watch(scratch, scratch.write("a.log", "")) as watch:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                to = ("127.0.0.1", watch.port)
                s.sendto(failed().encode(), to)
                self.assertIn("UDP", watch.next_alert()["at"]["file"])
                # a line break doesn't begin another message
                s.sendto(b"<38>1 - h app - - - hello\n" + failed().encode(), to)
                watch.quiet()
                for size in (0, 1, 65000):
                    s.sendto(b"\xff" * size, to)
                s.sendto(failed().encode() + b"\n\0", to)
                watch.next_alert()

    def test_time_without_a_zone_is_local(self):
        """RFC 3164 names no zone. 7 hours off would make every correlation across sources miss."""
        with harness.Scratch() as scratch:
            with Watch(scratch, scratch.write("a.log", ""), env=scratch.env(TZ="ICT-7")) as watch:
                sent = time.time()
                local = time.strftime("%b %e %H:%M:%S", time.gmtime(sent + 7 * 3600))
                message = f"<38>{local} web1 sshd[71]: Failed password for root from 203.0.113.9 port 4 ssh2"
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.sendto(message.encode(), ("127.0.0.1", watch.port))
                seen = time.strptime(watch.next_alert()["time"][:19], "%Y-%m-%dT%H:%M:%S")
                self.assertLess(abs(calendar.timegm(seen) - sent), 5)

    def test_time_ahead_of_the_clock_is_now(self):
        """Else one such event makes correlations hold all that follow for late."""
        with harness.Scratch() as scratch, Watch(scratch, scratch.write("a.log", "")) as watch:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(failed(when="2200-01-01T00:00:00Z").encode(), ("127.0.0.1", watch.port))
            seen = time.strptime(watch.next_alert()["time"][:19], "%Y-%m-%dT%H:%M:%S")
            self.assertLess(abs(calendar.timegm(seen) - time.time()), 5)

    def test_tcp_by_line_and_by_length(self):
        with harness.Scratch() as scratch, Watch(scratch, scratch.write("a.log", "")) as watch:
            message = failed().encode()
            counted = b"%d %s" % (len(message), message)
            for sent in (message + b"\n" + message + b"\n", counted + counted, counted + b"\n" + counted):
                with socket.create_connection(("127.0.0.1", watch.port)) as s:
                    s.sendall(sent)
                    self.assertIn("TCP", watch.next_alert()["at"]["file"])
                    watch.next_alert()
            with socket.create_connection(("127.0.0.1", watch.port)) as s:  # any cut
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in counted:
                    s.sendall(bytes([byte]))
                watch.next_alert()
            with socket.create_connection(("127.0.0.1", watch.port)) as s:
                s.sendall(message)  # no end of line: the connection's end is the message's
            watch.next_alert()
            with socket.create_connection(("127.0.0.1", watch.port)) as s:
                s.sendall(b"12345678 too long a length")
                s.settimeout(5 * SLOW)
                self.assertEqual(s.recv(1), b"")  # closed

    def test_more_connections_than_there_is_room_for(self):
        with harness.Scratch() as scratch, Watch(scratch, scratch.write("a.log", "")) as watch:
            held = [socket.create_connection(("127.0.0.1", watch.port)) for _ in range(80)]
            held[0].sendall(failed().encode() + b"\n")
            watch.next_alert()
            held[-1].settimeout(10 * SLOW)
            self.assertEqual(held[-1].recv(1), b"")  # so all have been seen
            for s in held:
                s.close()
            self.assertEqual(watch.stop(), 0)
            watch.says("shed=16")

    def test_port_is_taken(self):
        with harness.Scratch() as scratch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            rules, log = scratch.write("rules/r.yml", RULES), scratch.write("a.log", "")
            process = subprocess.Popen([harness.KHIEN, "watch", "--rules", rules, "--syslog",
                                        f"127.0.0.1:{udp.getsockname()[1]}", log], stderr=subprocess.PIPE,
                                       stdout=subprocess.DEVNULL, env=scratch.env(), cwd=scratch.name)
            said = b""
            while b"event=ready" not in said:
                said += process.stderr.readline()
            self.assertIn(b"Address already in use", said)
            process.terminate()
            process.stderr.read()
            self.assertEqual(process.wait(20 * SLOW), 0)
            process.stderr.close()


class Terminal(unittest.TestCase):
    def run_on(self, scratch, log, lines, seconds=2.0):
        """What a terminal gets while lines are appended."""
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(scratch.name)
            os.execve(harness.KHIEN, ["khien", "watch", "--rules", "rules", "--no-syslog", "--lang", "en", log],
                      scratch.env(TERM="xterm"))
        out, start, written = b"", time.monotonic(), False
        while time.monotonic() - start < seconds * SLOW + 20:
            if select.select([fd], [], [], 0.05)[0]:
                try:
                    out += os.read(fd, 65536)
                except OSError:
                    break
            if not written and b"Ctrl-C" in out:
                written, start = True, time.monotonic()
                append(log, *lines)
            if written and time.monotonic() - start > seconds * SLOW:
                os.kill(pid, signal.SIGINT)
                start, seconds = time.monotonic(), 1000
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out

    def test_live_line_and_foreign_bytes(self):
        with harness.Scratch() as scratch:
            scratch.write("rules/r.yml", RULES)
            log = scratch.write("auth.log", "")
            evil = failed().replace("web1", "web\033[2J1\u202e")
            status, out = self.run_on(scratch, log, [evil, failed()])
            self.assertEqual(status, 0)
            text = out.decode()
            self.assertEqual(text.count("Password of root tried"), 3)  # two alerts and the summary
            # NO_COLOR: the only sequence is the one that clears the live line
            self.assertEqual(set(re.findall("\033(.{2})", text)), {"[K"})
            self.assertIn("web\\x1b[2J1\\u{202e}", text)
            drawn = len(re.findall(r"\r[0-9]+ events/s", text))
            self.assertTrue(3 <= drawn <= 4 * (2 * SLOW + 2), drawn)
            # an alert begins on a line of its own: the live line was taken away first
            for line in text.replace("\r\n", "\n").split("\n"):
                shown = re.split("\r\033\\[K|\r", line)[-1]
                if "Password of root tried" in shown:
                    self.assertNotIn("events/s", shown)
            self.assertIn("Watched for 0:00:", text)


class Privileges(unittest.TestCase):
    def test_worker_can_do_little(self):
        with harness.Scratch() as scratch, Watch(scratch, scratch.write("a.log", "")) as watch:
            status = status_of(watch.process.pid)
            self.assertEqual(status["NoNewPrivs"], "1")
            self.assertEqual(int(status["CapEff"], 16), 0)
            self.assertEqual(int(status["CapPrm"], 16), 0)
            if ROOT:
                self.assertNotIn("0", status["Uid"].split())
                self.assertEqual(status["Groups"].split(), [])
            off = [line for line in watch.said if "event=protection-off" in line]
            if not any("seccomp" in line for line in off):
                self.assertEqual(status["Seccomp"], "2")
            opener, = children(watch.process.pid)
            self.assertEqual(watch.stop(), 0)
            self.assertFalse(runs(opener))  # nothing stays behind

    def test_opener_ends_with_a_worker_that_was_killed(self):
        with harness.Scratch() as scratch, Watch(scratch, scratch.write("a.log", "")) as watch:
            opener, = children(watch.process.pid)
            watch.stop(signal.SIGKILL)
            for _ in range(100 * SLOW):
                if not runs(opener):
                    break
                time.sleep(0.05)
            else:
                self.fail("the opener is still there")

    @unittest.skipUnless(ROOT, "only root can become somebody else")
    def test_unreadable_file_is_named_and_the_rest_runs(self):
        with harness.Scratch() as scratch:
            os.chmod(scratch.name, 0o755)
            secret, log = scratch.write("secret.log", ""), scratch.write("auth.log", "")
            os.chmod(secret, 0)
            os.mkdir(scratch.path("cache"))
            os.chmod(scratch.path("cache"), 0o777)
            program = shutil.copy(harness.KHIEN, scratch.path("khien"))
            os.chmod(program, 0o755)
            kept, harness.KHIEN = harness.KHIEN, program
            self.addCleanup(setattr, harness, "KHIEN", kept)
            as_nobody = ("/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
            with Watch(scratch, secret, log, prefix=as_nobody) as watch:
                watch.says("Permission denied")
                append(log, failed())
                self.assertEqual(watch.next_alert()["at"]["file"], log)
                self.assertIn("unprivileged user", "\n".join(watch.said))

    def test_no_symbolic_link_is_followed_after_the_start(self):
        with harness.Scratch() as scratch:
            log, other = scratch.write("auth.log", ""), scratch.write("other.log", "")
            with Watch(scratch, log) as watch:
                os.rename(log, log + ".1")
                os.symlink(other, log)
                watch.says("symbolic link")
                append(other, failed())
                watch.quiet(2)

    def test_container_without_rights(self):
        namespace = ("/usr/bin/unshare", "--user", "--map-root-user")
        if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
            self.skipTest("user namespaces are not permitted here")
        with harness.Scratch() as scratch:
            log = scratch.write("auth.log", "")
            with Watch(scratch, log, prefix=namespace) as watch:
                watch.says("event=protection-off")
                self.assertTrue(any("user nobody" in line for line in watch.said))
                append(log, failed())
                watch.next_alert()


class Journal(unittest.TestCase):
    @unittest.skipUnless(ROOT, "needs a mount namespace")
    def test_journal(self):
        """A stand-in for journalctl and an empty /var/log, both seen by khien alone."""
        if subprocess.run(["/usr/bin/unshare", "--mount", "true"], capture_output=True, check=False).returncode:
            self.skipTest("mount namespaces are not permitted here")
        if not os.path.exists("/usr/bin/journalctl"):
            self.skipTest("journalctl is not there to be covered")
        with harness.Scratch() as scratch:
            os.chmod(scratch.name, 0o755)
            record = {"MESSAGE": failed(when=OLD).split("- - ")[1], "SYSLOG_IDENTIFIER": "sshd", "_HOSTNAME": "web1",
                      "__REALTIME_TIMESTAMP": str(int(time.time() * 1e6))}
            fake = scratch.write("journalctl", "#!/bin/sh\necho '%s'\nexec sleep 60\n" % json.dumps(record))
            os.chmod(fake, 0o755)
            setup = ("mount -t tmpfs tmpfs /var/log && mkdir -p /var/log/journal/m && : >/var/log/journal/m/system.journal"
                     " && : >/var/log/auth.log && mount --bind '%s' /usr/bin/journalctl && exec \"$@\"" % fake)
            with Watch(scratch, prefix=("/usr/bin/unshare", "--mount", "/bin/sh", "-c", setup, "sh")) as watch:
                alert = watch.next_alert()
                self.assertEqual(alert["at"]["file"], "journal")
                self.assertEqual(alert["host"], "web1")
                self.assertFalse(any("auth.log" in line for line in watch.said))  # the journal has the same
                opener, = children(watch.process.pid)
                reader, = children(opener)
                self.assertNotIn("0", status_of(reader)["Uid"].split())
                self.assertEqual(watch.stop(), 0)
                self.assertFalse(runs(reader))


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
