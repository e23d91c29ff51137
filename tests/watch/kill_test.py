#!/usr/bin/python3
"""khien is killed again and again under load, its log rotating: no line is lost, and repeats can be told by khien.id."""
import os
import random
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import following  # noqa: E402
from following import Watch, Writer, harness  # noqa: E402

KILLS = 20


class Kill(unittest.TestCase):
    def test_twenty_kills(self):
        seed = random.randrange(1 << 30)
        print("seed", seed, file=sys.stderr)
        chance = random.Random(seed)
        with harness.Scratch() as scratch:
            log = scratch.write("access.log", "")
            with Watch(scratch, log) as watch:  # the first start of all reads from the end
                time.sleep(0.7 * following.SLOW)
                watch.kill()
                watch.process.stderr.close()
            writer, rotations = Writer(log, splits=True), 0
            writer.start()
            for kill in range(KILLS):
                watch = Watch(scratch, log, wait=False)
                time.sleep(chance.uniform(0.02, 0.5))
                watch.kill()
                watch.process.stderr.close()
                if kill % 3 == 2 and os.path.exists(log):
                    rotations += 1
                    os.rename(log, f"{log}.{KILLS - rotations}")
                    with open(log, "xb"):
                        pass
            with Watch(scratch, log) as watch:
                count = writer.end()
                watch.wait_for(*range(count), seconds=20)
                found = following.check_ids(watch.alerts())
                self.assertEqual(len(found), count)
                self.assertFalse([said for said in watch.said if "lost" in said])
                repeated = sum(n - 1 for n in found.values())
                print(f"{count} lines, {rotations} rotations, {repeated} repeats", file=sys.stderr)
                watch.kill()
                watch.process.stderr.close()


if __name__ == "__main__":
    harness.need_program()
    unittest.main(verbosity=2)
