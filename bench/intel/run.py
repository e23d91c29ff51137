#!/usr/bin/python3
"""The figures of looking up known-bad values, in one run. Called by `make bench-intel`.

    run.py BENCH-INTEL KHIEN

Beside a plain hash table, a sorted array and `grep -F -f`, and on the way of events through all rules. Rules and events:
those in KHIEN_DATA (default: ../shared/data beside the repository) where it has sigma/ and otrf/; else khien's own rules
and made-up events.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("KHIEN_DATA", ROOT.parent / "shared" / "data"))


def unpack(to):
    """The flat Windows events of the recorded attacks, one JSON object a line."""
    files = []
    for z in sorted((DATA / "otrf").rglob("*.zip")):
        with zipfile.ZipFile(z) as archive:
            for name in archive.namelist():
                if name.endswith(".json") and "__MACOSX" not in name:
                    files.append(archive.extract(name, to / z.stem))
    return [f for f in files if b'"Channel"' in open(f, "rb").read(65536)]


def grep(work):
    """What people do without: 100,000 texts looked for in 100,000 lines."""
    known, lines = work / "known", work / "lines"
    known.write_text("".join(f"{i % 200 + 20}.{i // 65536 % 256}.{i // 256 % 256}.{i % 256}\n" for i in range(100000)))
    lines.write_text("".join(f"Failed password from {i % 200 + 20}.{i // 65536 % 256}.77{i % 3}.{i % 256} port 1\n"
                             for i in range(100000)))
    begin = time.monotonic()
    subprocess.run(["grep", "-c", "-F", "-f", known, lines], check=False, stdout=subprocess.DEVNULL,
                   env={**os.environ, "LC_ALL": "C"})
    print(f"figure peer_grep_100k {0.1 / (time.monotonic() - begin):.3f} M/s")


def main():
    bench, _ = sys.argv[1:3]
    sigma = [str(DATA / "sigma" / d) for d in ("rules", "rules-emerging-threats", "rules-threat-hunting")]
    rules = [r for r in sigma if os.path.isdir(r)] + [str(ROOT / "rules")]
    sys.stdout.reconfigure(line_buffering=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="khien-bench-"))
    try:
        events = unpack(work / "otrf")
        subprocess.run([bench, work / "cache", *rules, "--", *events], check=True)
        grep(work)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
