#!/usr/bin/python3
"""VietQR: the texts are those of two npm libraries, and zbar reads them back from both pictures.

Words: the program vietqr_cases, and a folder for npm's packages, which are installed once.
"""
import json
import os
import random
import re
import shutil
import string
import subprocess
import sys
import unicodedata
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
CASES = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and "/" in sys.argv[1] else None
PACKAGES = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and "/" in sys.argv[1] else None
from harness import Scratch, skip  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARIES = {"vietnam-qr-pay": "1.5.1", "vietqr-ts": "1.0.0"}
N_TEXTS, N_PICTURES = 6000, 60
MARKED = ("àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ")
LETTERS = MARKED + MARKED.upper() + string.ascii_letters + string.digits + string.punctuation + " " * 20
OTHERS = "中文挂号🙂–…\u00a0"


def folded(text):
    """As vietqr_fold() says, by Python's own tables."""
    plain = unicodedata.normalize("NFD", text).replace("đ", "d").replace("Đ", "D")
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(" +", " ", "".join(c if "!" <= c <= "~" else " " for c in plain)).strip()


def make_case(chance):
    letters = LETTERS + (OTHERS if chance.random() < 0.2 else "")
    purpose = "".join(chance.choices(letters, k=chance.choice([0, 1, 10, 24, 25, 26, 40])))
    if chance.random() < 0.3:
        purpose = unicodedata.normalize("NFD", purpose)
    return {
        "bin": "".join(chance.choices(string.digits, k=6)),
        "account": "".join(chance.choices(chance.choice([string.digits, string.digits + string.ascii_letters]), k=chance.randint(1, 19))),
        "card": chance.random() < 0.3,
        "amount": chance.choice([0, chance.randint(1, 9), chance.randint(1, 10**7), chance.randint(1, 10**13 - 1)]),
        "purpose": purpose,
    }


def run(*words, give=b"", timeout=120):
    return subprocess.run(words, input=give, capture_output=True, timeout=timeout, check=True).stdout


def texts_of(cases):
    lines = ["\t".join([c["bin"], c["account"], str(int(c["card"])), str(c["amount"]), c["purpose"]]) for c in cases]
    return run(CASES, give="".join(line + "\n" for line in lines).encode()).decode().splitlines()


def installed(name, version):
    path = os.path.join(PACKAGES, "node_modules", name, "package.json")
    if not os.path.exists(path):
        return False
    with open(path, encoding="utf-8") as file:
        return json.load(file)["version"] == version


def why_no_libraries():
    """None, when both are there, or could be installed."""
    if not PACKAGES or not shutil.which("npm") or not shutil.which("node"):
        return "no npm and node, or no folder for packages"
    if all(installed(*library) for library in LIBRARIES.items()):
        return None
    os.makedirs(PACKAGES, exist_ok=True)
    wanted = [f"{name}@{version}" for name, version in LIBRARIES.items()]
    try:
        run("npm", "install", "--prefix", PACKAGES, "--ignore-scripts", "--no-audit", "--no-fund", *wanted, timeout=90)
    except (subprocess.SubprocessError, OSError) as e:
        return f"npm can't install {', '.join(wanted)}: {type(e).__name__}"
    return None


def pixels(svg, scale=4):
    """The path's strokes as a picture that zbarimg reads (PGM)."""
    side = int(re.search(rb'viewBox="0 0 (\d+) \1"', svg)[1])
    modules = [bytearray(b"\xff" * side) for _ in range(side)]
    path = re.search(rb'<path stroke="#000" d="([^"]*)"', svg)[1]
    strokes = re.findall(rb"M(\d+) (\d+)\.5h(\d+)", path)
    assert b"".join(b"M%s %s.5h%s" % s for s in strokes) == path
    for x, y, n in (map(int, s) for s in strokes):
        modules[y][x:x + n] = bytes(n)
    rows = b"".join(bytes(v for v in row for _ in range(scale)) * scale for row in modules)
    return b"P5 %d %d 255\n" % (side * scale, side * scale) + rows


class VietQR(unittest.TestCase):
    def setUp(self):
        self.cases = [make_case(random.Random(seed)) for seed in range(N_TEXTS)]
        self.texts = texts_of(self.cases)
        self.assertEqual(len(self.texts), N_TEXTS)

    def test_texts_of_two_libraries(self):
        why = why_no_libraries()
        if why:
            self.skipTest(why)
        lines = [json.dumps({**c, "amount": str(c["amount"] or ""), "purpose": folded(c["purpose"])[:25].strip()}) for c in self.cases]
        out = run("node", os.path.join(HERE, "vietqr_libraries.cjs"), PACKAGES, give="".join(line + "\n" for line in lines).encode())
        answers = [json.loads(line) for line in out.decode().splitlines()]
        self.assertEqual(len(answers), N_TEXTS)
        for case, ours, theirs in zip(self.cases, self.texts, answers):
            self.assertEqual([ours, ours], theirs, case)

    def test_pictures_are_read(self):
        if not shutil.which("zbarimg"):
            self.skipTest("no zbarimg")
        with Scratch() as scratch:
            files, wanted = [], []
            for i, text in enumerate(self.texts[:N_PICTURES]):
                png = run(CASES, "png", str(2 + i % 7), give=text.encode())
                files += [scratch.write(f"{i}.png", png), scratch.write(f"{i}.pgm", pixels(run(CASES, "svg", give=text.encode())))]
                wanted += [text, text]
            read = run("zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", *files).decode().splitlines()
            self.assertEqual(read, wanted)

    def test_what_is_refused(self):
        bad = [{"bin": "97041"}, {"bin": "97041a"}, {"account": ""}, {"account": "1" * 20}, {"account": "1 2"},
               {"amount": -1}, {"amount": 10**13}]
        good = {"bin": "970416", "account": "257678859", "card": False, "amount": 1, "purpose": ""}
        self.assertEqual(texts_of([{**good, **b} for b in bad]), ["-"] * len(bad))
        self.assertNotEqual(texts_of([good]), ["-"])


if __name__ == "__main__":
    if not CASES or not os.access(CASES, os.X_OK):
        skip("no program vietqr_cases: its path is the first word")
    unittest.main(verbosity=2)
