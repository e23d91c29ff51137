#!/usr/bin/python3
"""The figures of the store, in one run: khien's, rows with indexes in SQLite, and the machine's limits. Called by
`make bench-store`.

    run.py BENCH-STORE [EVENTS [ROWS]]

EVENTS made-up events (10,000,000; bench/store/generate.h says what they are like) go into the store, ROWS of them
(2,000,000 at most) into rows, whose figures are for as many; ratios of scans are event for event. The recorded Windows
events of KHIEN_DATA/otrf go into both as well. Writing has one core. Everything lies in a folder below TMPDIR that goes
in the end: some 3 GB. Every answer is checked.
"""
import os, pathlib, re, shutil, subprocess, sys, tempfile, zipfile

HERE = pathlib.Path(__file__).resolve().parent
DATA = pathlib.Path(os.environ.get("KHIEN_DATA", HERE.parents[2] / "shared" / "data"))
MAX_ROWS, WHOLE = 2000000, 1000000
# What is reported as a ratio, how many times better than rows; where all events are gone through, event for event.
SCANS = ("rare_token_s", "substring_10m_s", "count_by_host_s")
BETTER_SMALL = SCANS + ("newest_100_s", "rss_mb")
BETTER_LARGE = ("raw_per_stored", "write_events_per_s")


class Bench:
    def __init__(self, program):
        self.program, self.figures, self.facts = program, {}, {}

    def figure(self, name, value, unit, digits=3):
        self.figures[name] = value
        print(f"figure {name} {value:.{digits if value < 1000 else 0}f} {unit}")

    def run(self, *words, one_core=False):
        def pin():
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        done = subprocess.run([self.program, *map(str, words)], stdout=subprocess.PIPE, text=True,
                              preexec_fn=pin if one_core else None)
        if done.returncode:
            sys.exit(f"bench-store: {words[0]} failed")
        for line in done.stdout.splitlines():
            kind, name, value = line.split()[:3]
            if kind == "figure":
                self.figures[name] = float(value)
                print(line)
            else:
                self.facts[name] = int(value)

    def stored(self, prefix, folder):
        """What the folder takes on the disk, against the bytes that went in."""
        blocks = sum(p.stat().st_blocks for p in folder.rglob("*") if p.is_file())
        self.figure(prefix + "raw_per_stored", self.facts[prefix + "bytes"] / (blocks * 512), "x")
        self.figure(prefix + "stored_bytes_per_event", blocks * 512 / self.facts[prefix + "events"], "bytes")

    def check(self, what, right):
        if self.facts[what] != right:
            sys.exit(f"bench-store: {what} is {self.facts[what]}, not {right}")

    def answers(self, prefix):
        found = prefix + "found_"
        self.check(found + "rare_token_s", self.facts[prefix + "rare"])
        self.check(found + "substring_10m_s", self.facts[prefix + "substring"])
        self.check(found + "newest_100_s", 100)
        self.check(found + "count_by_host_s", self.facts[prefix + "events"])
        if not prefix:
            self.check(found + "hunt_count_by_host_s", self.facts["events"])


def unpack(to):
    """The flat Windows events of the recorded attacks as one file, or None."""
    path = to / "otrf.ndjson"
    with open(path, "wb") as out:
        for z in sorted((DATA / "otrf").rglob("*.zip")):
            with zipfile.ZipFile(z) as archive:
                for name in archive.namelist():
                    text = archive.read(name) if name.endswith(".json") and "__MACOSX" not in name else b""
                    if b'"Channel"' in text[:65536]:
                        out.writelines(re.findall(rb"^\{.*\}\r?\n", text + b"\n", re.M))
    return path if path.stat().st_size else None


def one(bench, work, name, events, rows):
    """The same events into the store and into rows. `name` is "" or "otrf_"."""
    store = work / (name + "store")
    store.mkdir()
    bench.run("write", store, events, one_core=True)
    bench.check(name + "kept", bench.facts[name + "events"])
    bench.stored(name, store)
    table = work / (name + "rows")
    table.mkdir()
    bench.run("rows-write", table, rows, one_core=True)
    bench.stored(f"rows_{name}", table)
    return store, table


def main():
    program = sys.argv[1]
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 10000000
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else min(events, MAX_ROWS)
    sys.stdout.reconfigure(line_buffering=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="khien-bench-"))
    bench = Bench(program)
    try:
        bench.figure("events", events, "events")
        bench.figure("rows_events", rows, "events")
        bench.run("limits", work, min(events, 200000), one_core=True)
        store, table = one(bench, work, "", events, rows)
        bench.figure("event_bytes", bench.facts["bytes"] / bench.facts["events"], "bytes")
        bench.run("ask", store)
        bench.answers("")
        bench.run("rows-ask", table)
        bench.answers("rows_")
        for prefix in ("", "rows_"):
            bench.figure(prefix + "rss_mb", max(bench.figures[prefix + "write_rss_mb"], bench.figures[prefix + "ask_rss_mb"]),
                         "MB", 1)
        recorded = unpack(work) if events >= WHOLE else None
        if events < WHOLE:
            print(f"otrf: not measured: with fewer than {WHOLE} events")
        elif recorded:
            one(bench, work, "otrf_", recorded, recorded)
        else:
            print(f"otrf: not measured: no recorded events in {DATA}")
        for name in BETTER_SMALL + BETTER_LARGE:
            ours, theirs = bench.figures[name], bench.figures["rows_" + name]
            ratio = theirs / ours if name in BETTER_SMALL else ours / theirs
            ratio *= events / rows if name in SCANS else 1
            print(f"figure {name}_to_rows {ratio:.2f} x")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
