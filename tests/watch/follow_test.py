#!/usr/bin/python3
"""Logs that rotate in every way, come and go, and are read on after khien was down."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import following  # noqa: E402
from following import Watch, append, check_ids, harness, line  # noqa: E402

ROOT = os.geteuid() == 0


def compress(path, how):
    subprocess.run([how, "-q", *(["--rm"] if how == "zstd" else []), path], check=True)


class Rotation(unittest.TestCase):
    def setUp(self):
        self.scratch = harness.Scratch()
        self.addCleanup(self.scratch.cleanup)
        self.log = self.scratch.write("access.log", "")
        append(self.log, 0)

    def watch(self, *files, **more):
        watch = Watch(self.scratch, *(files or (self.log,)), **more)
        self.addCleanup(watch.process.stderr.close)
        self.addCleanup(watch.kill)
        return watch

    def once(self, watch, *numbers):
        """These came, each once and nothing else."""
        watch.wait_for(*numbers)
        time.sleep(0.3)
        self.assertEqual(check_ids(watch.alerts()), {n: 1 for n in numbers}, watch.said)

    def test_rename_and_a_writer_that_is_late(self):
        watch = self.watch()
        old = open(self.log, "a", encoding="ascii", buffering=1)
        self.addCleanup(old.close)
        old.write(line(1))
        os.rename(self.log, self.log + ".1")
        old.write(line(2))
        append(self.log, 3)
        watch.wait_for(1, 2, 3)
        old.write(line(4))  # it has not opened the new one yet
        append(self.log, 5)
        self.once(watch, 1, 2, 3, 4, 5)

    def test_two_rotations_at_once(self):
        watch = self.watch()
        watch.pause()
        append(self.log, 1)
        os.rename(self.log, self.log + ".2")
        append(self.log + ".1", 2)
        append(self.log, 3)
        watch.resume()
        self.once(watch, 1, 2, 3)

    def test_copytruncate_reads_the_rest_from_the_copy(self):
        watch = self.watch()
        for start, packed in ((1, None), (11, "gzip"), (21, "zstd")):
            append(self.log, start)
            watch.wait_for(start)
            watch.pause()
            append(self.log, start + 1, start + 2)
            copy = f"{self.log}.{start}"
            shutil.copy(self.log, copy)
            if packed:
                compress(copy, packed)
            os.truncate(self.log, 0)
            append(self.log, start + 3)
            watch.resume()
            watch.wait_for(*range(start, start + 4))
        self.once(watch, *(s + i for s in (1, 11, 21) for i in range(4)))

    def test_emptied_without_a_copy_is_told_in_bytes(self):
        watch = self.watch()
        append(self.log, *range(1, 50))
        watch.wait_for(49)
        size = os.path.getsize(self.log)
        watch.pause()
        os.truncate(self.log, 0)
        append(self.log, 50)
        watch.resume()
        self.once(watch, *range(1, 51))
        watch.says(f"{size} bytes of it were read")
        watch.says("event=may-be-lost")

    def test_grows_beyond_its_old_size_within_a_moment(self):
        """Its size doesn't tell then; its head does."""
        watch = self.watch()
        append(self.log, 1)
        watch.wait_for(1)
        watch.pause()
        shutil.copy(self.log, self.log + ".1")
        os.truncate(self.log, 0)
        time.sleep(1.1)  # another second, another head
        append(self.log, *range(2, 40))
        watch.resume()
        self.once(watch, *range(1, 40))

    def test_hole_of_a_writer_that_keeps_its_place(self):
        watch = self.watch()
        with open(self.log, "r+", encoding="ascii", buffering=1) as file:
            file.seek(0, os.SEEK_END)
            file.write("".join(line(n) for n in range(1, 200)))
            watch.wait_for(199)
            os.truncate(self.log, 0)
            time.sleep(0.6 * following.SLOW)
            file.write(line(200))
            self.once(watch, *range(1, 201))

    def test_goes_and_comes_back(self):
        watch = self.watch()
        append(self.log, 1)
        watch.wait_for(1)
        os.rename(self.log, self.log + "-away")
        time.sleep(1.3)
        append(self.log + "-away", 2)
        os.rename(self.log + "-away", self.log)
        append(self.log, 3)
        self.once(watch, 1, 2, 3)
        with open(self.log, encoding="ascii") as file:  # an editor
            text = file.read()
        self.scratch.write("access.log.new", text + line(4))
        os.rename(self.log + ".new", self.log)
        self.once(watch, 1, 2, 3, 4)
        os.unlink(self.log)
        time.sleep(1.3)
        append(self.log, 5)
        self.once(watch, 1, 2, 3, 4, 5)

    def test_pattern_finds_new_logs_and_no_rotations(self):
        watch = self.watch(self.scratch.path("*.log"))
        append(self.log, 1)
        watch.wait_for(1)
        append(self.scratch.path("shop.log"), 2)
        watch.wait_for(2)
        os.rename(self.log, self.scratch.path("access-20260301.log"))
        append(self.log, 3)
        time.sleep(2.5)
        self.once(watch, 1, 2, 3)
        self.assertEqual(watch.stop(), 0)
        append(self.scratch.path("late.log"), 4)  # came while khien was down
        append(self.log, 5)
        self.once(self.watch(self.scratch.path("*.log")), 1, 2, 3, 4, 5)

    def test_link_points_to_another_log(self):
        first, second = self.scratch.write("app-1.log", ""), self.scratch.write("app-2.log", "")
        elsewhere = self.scratch.write("elsewhere/app-3.log", line(9))
        link = self.scratch.path("current")
        os.symlink("app-1.log", link)
        watch = self.watch(link)
        append(first, 1)
        watch.wait_for(1)
        for target in (second, elsewhere):
            os.symlink(target, link + ".new")
            os.rename(link + ".new", link)
            if target == second:
                append(second, 2)
                watch.wait_for(2)
        watch.says("leads to another folder")
        append(second, 3)
        self.once(watch, 1, 2, 3)


class Restart(Rotation):
    """Everything of the above that happens while khien is down, and more."""
    # the tests of Rotation are not run again
    for name in [n for n in dir(Rotation) if n.startswith("test_")]:
        locals()[name] = None
    del name

    def down(self, how="stop"):
        """Runs it until 1 and 2 were told, then ends it."""
        watch = self.watch()
        append(self.log, 1, 2)
        watch.wait_for(1, 2)
        time.sleep(0.7 * following.SLOW)  # it has been saved
        getattr(watch, how)()
        return watch

    def test_growth(self):
        for how, n in (("stop", 3), ("kill", 4)):
            self.down(how) if n == 3 else watch.kill()
            append(self.log, n)
            watch = self.watch()
            watch.says("catching-up")
            self.once(watch, *range(1, n + 1))
            time.sleep(0.7 * following.SLOW)

    def test_every_kind_of_rotation(self):
        def plain():
            os.rename(self.log, self.log + ".1")

        def packed(how):
            plain()
            compress(self.log + ".1", how)

        def copied():
            shutil.copy(self.log, self.log + ".1")
            os.truncate(self.log, 0)

        def twice():
            os.rename(self.log, self.log + ".2")
            append(self.log + ".1", 50)
            compress(self.log + ".1", "gzip")

        def reused():  # another file with the inode of the old one
            shutil.copy(self.log, self.log + ".1")
            with open(self.log, "r+b") as file:
                file.truncate(0)
                file.write(line(51).encode() * 9)

        for rotate in (plain, lambda: packed("gzip"), lambda: packed("zstd"), copied, twice, reused):
            with self.subTest(rotate=getattr(rotate, "__name__", "?")):
                self.doCleanups()
                self.setUp()
                self.down("kill")
                append(self.log, 3, 4)
                rotate()
                time.sleep(0.01)
                if rotate is not reused:
                    append(self.log, 5)
                extra = {twice: [5, 50], reused: [51]}.get(rotate, [5])
                watch = self.watch()
                watch.wait_for(1, 2, 3, 4, *extra)
                count = check_ids(watch.alerts()) if rotate is not reused else {}
                self.assertEqual(set(count.values()) - {1}, set())

    def test_what_is_gone_is_told(self):
        self.down()
        os.unlink(self.log)
        self.scratch.write("fills", "")  # takes the inode
        append(self.log, 3)
        watch = self.watch()
        watch.says("event=may-be-lost")
        self.once(watch, 1, 2, 3)

    def test_window_straddles_the_kill(self):
        append(self.log, 1)
        tried = [line(path="/login", ago=60 - i) for i in range(6)]
        watch = self.watch()
        with open(self.log, "a", encoding="ascii") as file:
            file.write("".join(tried[:3]) + line(2))
        watch.wait_for(2)
        time.sleep(0.7 * following.SLOW)
        watch.kill()
        os.rename(self.log, self.log + ".1")
        compress(self.log + ".1", "gzip")
        with open(self.log, "a", encoding="ascii") as file:
            file.write("".join(tried[3:]) + line(3))
        watch = self.watch()
        watch.wait_for(2, 3)
        fired = [a for a in watch.alerts() if a["rule"]["level"] == "high"]
        self.assertEqual([a["count"] for a in fired], [6])
        self.assertEqual(sorted(watch.numbers()), [2, 3])  # what was told is not told again

    def test_two_logs_are_made_up_for_side_by_side(self):
        """One after the other, what the second has would come too late for what the first has taken time on to."""
        other = self.scratch.write("other.log", line(0))
        watch = self.watch(self.log, other)
        append(self.log, 1)
        append(other, 2)
        watch.wait_for(1, 2)
        self.assertEqual(watch.stop(), 0)
        for path in (self.log, other):
            with open(path, "a", encoding="ascii") as file:
                file.write("".join(line(path="/login", ago=3000 - 10 * i) for i in range(3))
                           + line(path="/login", address="198.51.100.7"))
        append(self.log, 3)
        append(other, 4)
        watch = self.watch(self.log, other)
        watch.wait_for(1, 2, 3, 4)
        self.assertEqual([a["count"] for a in watch.alerts() if a["rule"]["level"] == "high"], [6])

    def test_state_can_not_be_used(self):
        blocked = self.scratch.write("blocked", "")
        watch = self.watch(options=("--no-syslog", "--state", blocked + "/khien"))
        watch.says("event=no-state")
        append(self.log, 1)
        watch.wait_for(1)
        first = self.watch(out="first")
        second = self.watch(out="second")
        second.says("another khien")
        append(self.log, 2)
        for one in (watch, first, second):
            one.wait_for(2)

    def test_damaged_state(self):
        self.down()
        state = self.scratch.path("state", "khien", "watch")
        os.truncate(state, 100)
        append(self.log, 3)
        watch = self.watch()
        watch.says("damaged")
        append(self.log, 4)
        watch.wait_for(4)


class Output(unittest.TestCase):
    def test_reader_that_stops_stops_the_reading(self):
        """Nothing of a file is lost; what the kernel dropped of UDP is counted."""
        with harness.Scratch() as scratch:
            log, rules = scratch.write("access.log", ""), scratch.write("rules/r.yml", following.RULES)
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                port = s.getsockname()[1]
            process = subprocess.Popen([harness.KHIEN, "watch", "--rules", rules, "--json", "--syslog",
                                        f"127.0.0.1:{port}", log], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=scratch.env(), cwd=scratch.name)
            while b"event=ready" not in process.stderr.readline():
                pass
            count, found = 3000, []
            append(log, *range(count))
            time.sleep(0.8)  # the pipe is full long before
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                for _ in range(400):
                    s.sendto(b"x" * 60000, ("127.0.0.1", port))
            for text in process.stdout:
                found.append(following.number(json.loads(text)))
                if len(found) == count:
                    break
            self.assertEqual(found, list(range(count)))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(b"<13>hello", ("127.0.0.1", port))  # the count comes with a datagram
            time.sleep(0.6 * following.SLOW)
            process.send_signal(signal.SIGTERM)
            said = process.stderr.read().decode()
            process.wait(20 * following.SLOW)
            process.stdout.close()
            process.stderr.close()
            self.assertRegex(said, r"event=stopped.*shed=[1-9]")


class Journal(unittest.TestCase):
    @unittest.skipUnless(ROOT, "needs a mount namespace")
    def test_goes_on_behind_the_cursor(self):
        """A stand-in for journalctl that notes how it was called, seen by khien alone."""
        if subprocess.run(["/usr/bin/unshare", "--mount", "true"], capture_output=True, check=False).returncode:
            self.skipTest("mount namespaces are not permitted here")
        if not os.path.exists("/usr/bin/journalctl"):
            self.skipTest("journalctl is not there to be covered")
        rules = following.RULES.replace("{category: webserver}", "{product: linux, service: sshd}")
        rules = rules.replace("{cs-uri-stem|startswith: /n/}", "{user.name|startswith: n/}")
        with harness.Scratch() as scratch:
            os.chmod(scratch.name, 0o755)
            entry = ('{"MESSAGE":"Failed password for n/%d from 203.0.113.9 port 4022 ssh2","SYSLOG_IDENTIFIER":"sshd",'
                     '"__REALTIME_TIMESTAMP":"%d","__CURSOR":"s=ab;i=%d"}')
            called = scratch.write("called", "")
            os.chmod(called, 0o666)
            fake = scratch.write("journalctl", f"""#!/usr/bin/python3
import sys, time
open({called!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
after = [int(a.split("i=")[1]) for a in sys.argv if "after-cursor" in a]
for n in range(after[0] + 1 if after else 1, {{0: 3, 1: 5}}[bool(after)]):
    print({entry!r} % (n, time.time() * 1e6 - 1e6, n), flush=True)
time.sleep(60)
""")
            os.chmod(fake, 0o755)
            setup = ("mount -t tmpfs tmpfs /var/log && mkdir -p /var/log/journal/m && : >/var/log/journal/m/system.journal"
                     f" && mount --bind '{fake}' /usr/bin/journalctl && exec \"$@\"")
            prefix = ("/usr/bin/unshare", "--mount", "/bin/sh", "-c", setup, "sh")
            kept, following.RULES = following.RULES, rules
            self.addCleanup(setattr, following, "RULES", kept)
            with Watch(scratch, prefix=prefix) as watch:
                watch.wait_for(1, 2)
                time.sleep(0.8 * following.SLOW)
                watch.kill()
                watch.process.stderr.close()
            with Watch(scratch, prefix=prefix) as watch:
                watch.wait_for(1, 2, 3, 4)
                self.assertEqual(check_ids(watch.alerts()), {n: 1 for n in (1, 2, 3, 4)})
                watch.kill()
                watch.process.stderr.close()
            with open(called, encoding="ascii") as file:
                first, second = file.read().splitlines()
            self.assertIn("--lines=0", first)
            self.assertNotIn("--lines=0", second)
            self.assertRegex(second, r"--no-tail --after-cursor=s=ab;i=[12]$")


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
