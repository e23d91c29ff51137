#!/usr/bin/python3
"""logrotate of Debian, run for real under load: every line that still stands in a log or a rotation of it was told."""
import glob
import gzip
import os
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import following  # noqa: E402
from following import Watch, Writer, harness  # noqa: E402

PROGRAM = shutil.which("logrotate") or "/usr/sbin/logrotate"
ROUNDS = 3


@unittest.skipUnless(os.access(PROGRAM, os.X_OK), "logrotate is not installed")
class Logrotate(unittest.TestCase):
    def run_with(self, *options, pause=0.3, restart=False):
        reopens = "copytruncate" not in options
        with harness.Scratch() as scratch:
            os.chmod(scratch.name, 0o755)
            log = scratch.write("access.log", "")
            user = ["su root root"] if os.geteuid() == 0 else []
            config = scratch.write("rotate.conf", "\n".join([log + " {", *options, "rotate 30", *user, "}", ""]))
            os.chmod(config, 0o644)
            command = [PROGRAM, "--force", "--state", scratch.path("rotate.state"), config]
            watch = Watch(scratch, log)
            writer = Writer(log, reopens=reopens)
            writer.start()
            for turn in range(ROUNDS):
                time.sleep(pause)
                if restart and turn == 2:
                    watch.kill()
                    watch.process.stderr.close()
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                # gzip warns of a writer that is late: what it writes then is gone from the files
                self.assertEqual(done.returncode, 0, done.stderr)
                if restart and turn == 2:
                    watch = Watch(scratch, log)
            time.sleep(0.3)
            count = writer.end()
            try:
                there = self.numbers(log)
                if reopens and ("compress" not in options or "delaycompress" in options):
                    self.assertEqual(sorted(set(range(count)) - there)[:9], [])
                # khien has them open, and reads also what is lost when one is compressed at once
                watch.wait_for(*(range(count) if reopens and not restart else there), seconds=15)
                found = following.check_ids(watch.alerts())
                if not restart:
                    self.assertEqual(set(found.values()), {1})
                print(f"{options}: {count} lines, {count - len(there)} gone from the files, {len(found)} told",
                      file=sys.stderr)
            finally:
                watch.kill()
                watch.process.stderr.close()

    @staticmethod
    def numbers(log):
        there = set()
        for path in glob.glob(log + "*"):
            with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
                there.update(int(n) for n in re.findall(rb"/n/([0-9]+) ", file.read()))
        return there

    def test_create(self):
        self.run_with("create 0644")

    def test_create_and_compress(self):
        self.run_with("create 0644", "compress", pause=1.3)

    def test_create_and_compress_later(self):
        self.run_with("create 0644", "compress", "delaycompress")

    def test_copytruncate(self):
        self.run_with("copytruncate")

    def test_copytruncate_and_compress(self):
        self.run_with("copytruncate", "compress")

    def test_dates_for_names(self):
        self.run_with("create 0644", "dateext", "dateformat -%Y%m%d-%s", "compress", pause=1.1, restart=True)


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
