#!/usr/bin/python3
"""Events per CPU second of OSSEC's analysisd over a syslog file: the peer in C.

    peer_ossec.py ANALYSISD ETC LOG

ANALYSISD is the program, ETC its folder with decoder.xml, internal_options.conf, rules/ and ossec-server.conf. It runs
in a home of its own under /tmp, as nobody, in a mount namespace where that home stands at /var/ossec, and is fed through
its queue, as its own collector does, with the whole log ROUNDS times over. Needs root.
"""
import os, re, shutil, socket, subprocess, sys, tempfile, time

ROUNDS = 20
TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def make_home(etc):
    home = tempfile.mkdtemp(prefix="khien-peer-")
    for d in ("etc", "rules", "logs/alerts", "logs/archives", "logs/firewall", "queue/ossec", "queue/alerts", "queue/fts",
              "queue/diff", "queue/rootcheck", "queue/syscheck", "queue/agent-info", "stats", "var/run", "etc/shared",
              "etc/lists", "tmp"):
        os.makedirs(f"{home}/{d}")
    for f in ("decoder.xml", "internal_options.conf"):
        shutil.copy(f"{etc}/{f}", f"{home}/etc/{f}")
    open(f"{home}/etc/local_internal_options.conf", "w").close()
    for f in os.listdir(f"{etc}/rules"):
        if f.endswith(".xml"):
            shutil.copy(f"{etc}/rules/{f}", f"{home}/rules/{f}")
    conf = open(f"{etc}/ossec-server.conf").read()
    includes = [i for i in re.findall(r"<include>([^<]*)</include>", re.sub(r"<!--.*?-->", "", conf, flags=re.S))
                if os.path.exists(f"{home}/rules/{i}")]
    with open(f"{home}/etc/ossec.conf", "w") as out:
        out.write("<ossec_config><global><email_notification>no</email_notification></global><rules>" +
                  "".join(f"<include>{i}</include>" for i in includes) + "</rules></ossec_config>\n")
    subprocess.run(["chown", "-R", "nobody:nogroup", home], check=True)
    os.chmod(home, 0o755)
    n = sum(len(re.findall(r"<rule id=", open(f"{home}/rules/{i}", errors="replace").read())) for i in includes)
    return home, n


def main():
    analysisd, etc, log = sys.argv[1:4]
    lines = [l for l in open(log, "rb").read().split(b"\n") if l]
    home, n_rules = make_home(etc)
    enter = 'mount -t tmpfs none /var && mkdir /var/ossec && mount --bind "$1" /var/ossec && cd /var/ossec && shift && exec "$@"'
    peer = subprocess.Popen(["unshare", "--mount", "sh", "-c", enter, "sh", home, analysisd, "-f", "-u", "nobody",
                             "-g", "nogroup", "-D", "/var/ossec", "-c", "/var/ossec/etc/ossec.conf"], stdout=subprocess.DEVNULL, stderr=open(f"{home}/stderr", "wb"))
    try:
        queue = f"{home}/queue/ossec/queue"
        for _ in range(100):
            if os.path.exists(queue) or peer.poll() is not None:
                break
            time.sleep(0.1)
        if peer.poll() is not None or not os.path.exists(queue):
            sys.exit("analysisd did not start: " + open(f"{home}/stderr").read()[-500:])
        time.sleep(1)
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.connect(queue)
        begin_cpu, begin = cpu_seconds(peer.pid), time.monotonic()
        for _ in range(ROUNDS):
            for line in lines:
                s.send(b"1:/var/log/auth.log:" + line)
        last, took = -1, 0
        while cpu_seconds(peer.pid) != last and time.monotonic() - begin < 120:  # until it has nothing left to do
            last, took = cpu_seconds(peer.pid), time.monotonic() - begin
            time.sleep(0.3)
        cpu, n = last - begin_cpu, ROUNDS * len(lines)
        print(f"figure peer_ossec_events_per_s {n / cpu:.0f} events/s")
        print(f"figure peer_ossec_rules {n_rules} rules")
        print(f"figure peer_ossec_wall_s {took:.2f} s")
    finally:
        peer.terminate()
        peer.wait()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
