"""Who stands before the kiosk in `make bench-gate`: khien, and what people put there otherwise, each as its manual has it.

A contender is made with a Place (folder, address to listen on, upstream) and gives the words of the programs to start. None of them
writes an access log but the one that needs it.
"""
import os
import pathlib
import shutil

SBIN = os.environ["PATH"] + ":/usr/sbin:/sbin"
MODSECURITY = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so"
CRS = pathlib.Path("/usr/share/modsecurity-crs")
# What a careful administrator would write: a person loads a page and its pictures at once, and comes back in a few seconds.
RATE, BURST = 10, 20


class Place:
    """Where a contender works: a folder that all may enter, address and ports to listen on, the upstream's port on loopback."""

    def __init__(self, folder, address, ports, upstream):
        self.folder, self.address, self.upstream = pathlib.Path(folder), address, upstream
        self.port, self.tls_port = ports
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)


class Contender:
    """One that runs `programs(place)`; `needs` are files without which it can't."""
    name, needs = "", ()

    def missing(self):
        return [one for one in self.needs if not (os.path.exists(one) if "/" in one else shutil.which(one, path=SBIN))]

    def programs(self, place):
        raise NotImplementedError


def nginx(place, http="", server="", main="", log="off"):
    """Words for one worker that proxies on kept connections. Connections beyond what waits are the kernel's business: a long queue."""
    folder = place.folder
    paths = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = place.write("nginx.conf", f"""{main}
daemon off; worker_processes 1; worker_rlimit_nofile 65536; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 32768; }}
http {{
access_log {log}; keepalive_requests 1000000000; {paths}
upstream kiosk {{ server 127.0.0.1:{place.upstream}; keepalive 64; keepalive_requests 1000000000; }}
{http}
server {{
listen {place.address}:{place.port} backlog=65535;
{server}
location / {{ proxy_pass http://kiosk; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $remote_addr; }}
}} }}
""")
    return [shutil.which("nginx", path=SBIN), "-p", str(folder), "-c", conf]


class Plain(Contender):
    """nginx as a proxy, and nothing else."""
    name, needs = "nginx", ("nginx",)

    def programs(self, place):
        return [nginx(place)]


class LimitReq(Contender):
    """nginx's own bound for each address."""
    name, needs = "limit_req", ("nginx",)

    def programs(self, place):
        return [nginx(place, f"limit_req_zone $binary_remote_addr zone=a:16m rate={RATE}r/s; limit_req_status 429; limit_req_log_level info;",
                      f"limit_req zone=a burst={BURST} nodelay;")]


class Crs(Contender):
    """ModSecurity with the Core Rule Set, blocking, at its first level."""
    name, needs = "crs", ("nginx", MODSECURITY, str(CRS / "rules"))

    def programs(self, place):
        rules = "".join(f"Include {path}\n" for path in (
            "/etc/modsecurity/crs/crs-setup.conf", "/etc/modsecurity/crs/REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf",
            f"{CRS}/rules/*.conf", "/etc/modsecurity/crs/RESPONSE-999-EXCLUSION-RULES-AFTER-CRS.conf") if "*" in path or os.path.exists(path))
        rules = place.write("waf.conf", "SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess Off\nSecAuditEngine Off\n" + rules)
        return [nginx(place, server=f"modsecurity on; modsecurity_rules_file {rules};", main=f"load_module {MODSECURITY};")]


class Haproxy(Contender):
    """Its stick-tables: who asks more often than the same bound is told to wait."""
    name, needs = "haproxy", ("haproxy",)

    def programs(self, place):
        conf = place.write("haproxy.cfg", f"""global
  maxconn 9900
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 60s
  timeout http-request 10s
frontend people
  bind {place.address}:{place.port} backlog 65535
  stick-table type ipv6 size 1m expire 30s store http_req_rate(10s)
  http-request track-sc0 src
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {RATE * 10 + BURST} }}
  default_backend kiosk
backend kiosk
  option forwardfor
  server kiosk 127.0.0.1:{place.upstream} maxconn 256
""")
        return [[shutil.which("haproxy", path=SBIN), "-db", "-f", conf]]


class Fail2ban(Contender):
    """A ban by the log: nginx says who goes beyond its bound, fail2ban reads that and has nftables drop them."""
    name, needs = "fail2ban", ("nginx", "fail2ban-server", "nft", "/etc/fail2ban/filter.d/nginx-limit-req.conf")

    def missing(self):
        return super().missing() + ([] if os.geteuid() == 0 else ["root"])

    def programs(self, place):
        folder = place.folder
        etc = folder / "etc"
        shutil.copytree("/etc/fail2ban", etc, dirs_exist_ok=True)
        for old in (*etc.glob("jail.d/*"), etc / "jail.conf"):
            old.unlink()
        (etc / "fail2ban.local").write_text(
            f"[Definition]\nloglevel = ERROR\nlogtarget = {folder}/fail2ban.log\nsocket = {folder}/fail2ban.sock\n"
            f"pidfile = {folder}/fail2ban.pid\ndbfile = None\nallowipv6 = no\n")
        (etc / "jail.local").write_text(
            f"[nginx-limit-req]\nenabled = true\nfilter = nginx-limit-req\nlogpath = {folder}/limit.log\nbackend = polling\n"
            f"port = {place.port}\nprotocol = tcp\nmaxretry = 5\nfindtime = 60\nbantime = 600\naction = nftables[type=multiport, name=gate, port={place.port}, protocol=tcp]\nignoreself = false\n")
        (folder / "limit.log").touch()
        words = nginx(place, f"limit_req_zone $binary_remote_addr zone=a:16m rate={RATE}r/s; limit_req_status 429;\n",
                      f"limit_req zone=a burst={BURST} nodelay; error_log {folder}/limit.log error;")
        return [words, [shutil.which("fail2ban-server", path=SBIN), "-f", "-x", "-c", str(etc), "start"]]


class Khien(Contender):
    """khien gate with no setting but the upstream's address; CRS on."""
    name = "khien"

    def __init__(self, program, waf=True):
        self.program, self.waf, self.needs = program, waf, ("nginx", program)

    def programs(self, place):
        return [[self.program, "gate", "--upstream", f"http://127.0.0.1:{place.upstream}", "--http", f"{place.address}:{place.port}",
                 "--https", f"{place.address}:{place.tls_port}", "--data", str(place.folder / "gate"), *([] if self.waf else ["--no-waf"])]]
