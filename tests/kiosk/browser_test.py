#!/usr/bin/python3
"""People with a browser: Chromium, driven by browser/visits.cjs, at a kiosk that runs.

Word: a folder for npm's packages, which are installed once. KHIEN_SHOTS names a folder for the pictures, to look at.
"""
import datetime
import os
import shutil
import subprocess
import sys
import unittest

PACKAGES = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and "/" in sys.argv[1] else None
from running import SECRET, SLOW, WORDS, Kiosk, harness  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = "1.65.1"
VISITS = {f"patient-{lang}-{how}" for lang in ("vi", "en", "zh") for how in ("scripts", "plain")} | {
    "clerk", "clerk-plain", "check-in", "board", "admin"}


def why_not():
    """None, when all is there that is needed, or could be installed."""
    if not PACKAGES or not all(shutil.which(name) for name in ("npm", "node", "chromium")):
        return "no npm, node and chromium, or no folder for packages"
    if os.path.exists(os.path.join(PACKAGES, "node_modules", "playwright-core", "package.json")):
        return None
    os.makedirs(PACKAGES, exist_ok=True)
    try:
        subprocess.run(["npm", "install", "--prefix", PACKAGES, "--ignore-scripts", "--no-audit", "--no-fund",
                        f"playwright-core@{VERSION}"], check=True, capture_output=True, timeout=90)
    except (subprocess.SubprocessError, OSError) as e:
        return f"npm can't install playwright-core: {type(e).__name__}"
    return None


def zone_of_a_morning():
    """Minutes east of UTC where it is about nine: there is today's work to do, whenever the test runs."""
    now = datetime.datetime.now(datetime.timezone.utc)
    east = 9 * 60 - (now.hour * 60 + now.minute)
    return east + 1440 if east < -720 else east


class Browser(unittest.TestCase):
    def test_visits(self):
        why = why_not()
        if why:
            self.skipTest(why)
        with harness.Scratch() as scratch, Kiosk(scratch) as kiosk:
            kiosk.ask("set", values={"zone": str(zone_of_a_morning())})
            kiosk.hospital(places=50)
            shots = os.environ.get("KHIEN_SHOTS") or scratch.path("shots")
            os.makedirs(shots, exist_ok=True)
            env = {**os.environ, "BASE": f"http://127.0.0.1:{kiosk.port}", "SECRET": SECRET, "LOGIN": "quay1",
                   "PASSWORD": WORDS["clerk"], "ADMIN": "admin", "ADMIN_PASSWORD": WORDS["first"], "SHOTS": shots,
                   "CHROMIUM": shutil.which("chromium")}
            done = subprocess.run(["node", os.path.join(HERE, "browser", "visits.cjs"), PACKAGES], env=env, capture_output=True,
                                  timeout=300 * SLOW, check=False)
            self.assertEqual(done.returncode, 0, done.stderr.decode() + done.stdout.decode())
            self.assertEqual({line[3:] for line in done.stdout.decode().splitlines()}, VISITS)
            self.assertFalse([line for line in kiosk.said if "Nghiệm" in str(line) or "Trần" in str(line)])


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
