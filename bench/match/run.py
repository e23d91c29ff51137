#!/usr/bin/python3
"""The figures of matching, in one run: khien, its parts alone, and a peer. Called by `make bench-match`.

    run.py BENCH-MATCH KHIEN

Data: KHIEN_DATA (default: ../shared/data beside the repository) with sigma/ and otrf/. The peer runs where
KHIEN_PEER_OSSEC names a folder with ossec-analysisd (itself or in src/) and etc/, and only for root.
"""
import os, pathlib, shutil, subprocess, sys, tempfile, zipfile

HERE = pathlib.Path(__file__).resolve().parent
DATA = pathlib.Path(os.environ.get("KHIEN_DATA", HERE.parents[2] / "shared" / "data"))
RULES = [str(DATA / "sigma" / d) for d in ("rules", "rules-emerging-threats", "rules-threat-hunting")]


def unpack(to):
    """The flat Windows events of the recorded attacks."""
    files = []
    for z in sorted((DATA / "otrf").rglob("*.zip")):
        with zipfile.ZipFile(z) as archive:
            for name in archive.namelist():
                if name.endswith(".json") and "__MACOSX" not in name:
                    files.append(archive.extract(name, to / z.stem))
    return [f for f in files if b'"Channel"' in open(f, "rb").read(65536)]


def usage_of(command):
    """What a command used, which may exit with 0 or 1."""
    pid = os.posix_spawn(command[0], command, os.environ,
                         file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                                       (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{command[0]} failed")
    return usage


def peak_mb(command):
    return usage_of(command).ru_maxrss / 1024


def same_log(khien, work, cache):
    """khien over the peer's log, on one thread, starting included."""
    log = (DATA / "logs" / "elastic_auth.log").read_bytes()
    times = 100
    (work / "auth.log").write_bytes(log * times)
    used = usage_of([khien, "match", "--quiet", "--summary", "--threads", "1", "--cache", str(cache), "--rules", *RULES,
                     str(HERE.parents[1] / "rules"), "--", str(work / "auth.log")])
    rate = log.count(b"\n") * times / (used.ru_utime + used.ru_stime)
    print(f"figure same_log_events_per_s {rate:.0f} events/s")
    return rate


def peer(rate):
    home = os.environ.get("KHIEN_PEER_OSSEC")
    log = DATA / "logs" / "elastic_auth.log"
    if not home:
        return print("peer_ossec: not measured: KHIEN_PEER_OSSEC names no folder with ossec-analysisd and etc/")
    if os.geteuid() != 0:
        return print("peer_ossec: not measured: it needs root")
    home = pathlib.Path(home)
    program = next((p for p in (home / "ossec-analysisd", home / "bin/ossec-analysisd", home / "src/ossec-analysisd")
                    if p.exists()), None)
    if not program:
        return print(f"peer_ossec: not measured: no ossec-analysisd in {home}")
    text = subprocess.run([sys.executable, HERE / "peer_ossec.py", program, home / "etc", log], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    print(text, end="")
    print(f"figure same_log_to_peer_ossec {rate / float(text.split()[2]):.2f} x")


def main():
    bench, khien = sys.argv[1:3]
    if not (DATA / "sigma").is_dir():
        sys.exit(f"bench-match needs the data folder: KHIEN_DATA (looked in {DATA})")
    sys.stdout.reconfigure(line_buffering=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="khien-bench-"))
    try:
        events = unpack(work / "otrf")
        cache = work / "cache"
        subprocess.run([bench, str(cache), *RULES, "--", *events], check=True)
        match = [khien, "match", "--quiet", "--threads", "2", "--cache", str(cache), "--rules", *RULES, "--", *events]
        print(f"figure rss_mb {peak_mb(match):.0f} MB")
        print(f"figure rss_cold_mb {peak_mb(match[:2] + ['--no-cache'] + match[2:]):.0f} MB")
        peer(same_log(khien, work, cache))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
