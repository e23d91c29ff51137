/* The hospital's machines, programs and pages. In texts that are expanded, %x stands for a slot of the event. */
#ifndef KHIEN_BENCH_GENERATE_WORDS_H
#define KHIEN_BENCH_GENERATE_WORDS_H

#include <stdbool.h>
#include <stdint.h>

/* Machines by number: web servers, then other Linux, Windows servers, PCs, firewalls up to GENERATE_HOSTS. */
enum { HOST_LINUX = 12, HOST_WINDOWS = 50, HOST_PC = 62, HOST_FIREWALL = 296 };

static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};
static const char *const servers[] = { "db", "his", "pacs", "lis", "backup", "mail", "proxy", "mon" };
static const char *const windows_servers[] = { "DC", "FILE", "PRINT", "RIS" };
static const char *const wards[] = { "KHAM", "NOI", "NGOAI", "NHI", "SAN", "XN", "CDHA", "DUOC", "KT", "CNTT" };
static const char *const roles[] = { "bs", "dd", "ktv", "kt", "duoc", "hc" };

/* How busy an hour is, in UTC; the average is 1. The wards work from 7 to 17 at UTC+7. */
static const double load_by_hour[24] = { 1.9, 2.2, 2.3, 2.2, 1.5, 1.1, 1.7, 2.0, 1.9, 1.4, 0.8, 0.6,
	                                 0.5, 0.5, 0.4, 0.4, 0.3, 0.3, 0.3, 0.3, 0.2, 0.2, 0.3, 0.7 };

/* Slots: x, y ids. bytes 0: made for each answer. */
static const struct page {
	const char *method, *stem, *query, *referer;
	uint32_t bytes;
	bool made; /* answers 201 */
} pages[] = {
	{ "GET", "/api/v1/patients/%x/encounters", "page=%y", "https://his.bv.example/patients/%x", 0, false },
	{ "GET", "/static/js/app.3f9c1b7e.js", "", "https://his.bv.example/", 412880, false },
	{ "GET", "/api/v1/queue/rooms/%y", "", "https://his.bv.example/queue", 0, false },
	{ "POST", "/api/v1/auth/refresh", "", "https://his.bv.example/", 0, false },
	{ "GET", "/pacs/studies/%x/series/%y/thumbnail", "", "https://his.bv.example/imaging/%x", 0, false },
	{ "GET", "/lab/results", "patient=%x&from=%y", "https://his.bv.example/patients/%x/lab", 0, false },
	{ "GET", "/static/css/app.a81d02c4.css", "", "https://his.bv.example/", 58213, false },
	{ "GET", "/healthz", "", "-", 2, false },
	{ "POST", "/api/v1/claims/%x", "", "https://his.bv.example/claims", 0, true },
	{ "GET", "/portal/appointments/%x", "", "https://portal.bv.example/", 0, false },
	{ "GET", "/favicon.ico", "", "https://portal.bv.example/", 15086, false },
	{ "PUT", "/api/v1/encounters/%x/notes/%y", "", "https://his.bv.example/encounters/%x", 0, false },
	{ "GET", "/pharmacy/stock", "item=%x&store=%y", "https://his.bv.example/pharmacy", 0, false },
	{ "GET", "/", "", "-", 8122, false },
	{ "GET", "/his/login", "", "-", 6410, false },
	{ "POST", "/his/login", "", "https://his.bv.example/his/login", 0, false },
	{ "GET", "/robots.txt", "", "-", 68, false },
	{ "GET", "/wp-login.php", "", "-", 146, false },
	{ "GET", "/admin/users/%y/edit", "", "https://his.bv.example/admin", 0, false },
	{ "GET", "/.env", "", "-", 146, false },
};

/* Slot: v, a version. */
static const char *const agents[] = {
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%v.0.0.0 "
	"Safari/537.36",
	"HIS-Mobile/4.%v (Android 14)",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:%v.0) Gecko/20100101 Firefox/%v.0",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
	"Mobile/15E148 Safari/604.1",
	"PacsViewer/2.7.%v",
	"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%v.0.0.0 Mobile "
	"Safari/537.36",
	"okhttp/4.12.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%v.0.0.0 "
	"Safari/537.36 "
	"Edg/%v.0.0.0",
};

/* Slots: u user, c address, o port, i uid, e session, B a key's fingerprint. */
static const struct said {
	const char *program;
	uint8_t priority; /* facility authpriv */
	const char *message, *action, *outcome;
	bool remote; /* names address and port */
} sayings[] = {
	{ "sshd", 86, "Accepted publickey for %u from %c port %o ssh2: ED25519 SHA256:%B", "ssh_login", "success",
	  true },
	{ "sshd", 86, "pam_unix(sshd:session): session opened for user %u(uid=%i) by (uid=0)", "session_opened", "",
	  false },
	{ "sshd", 86, "pam_unix(sshd:session): session closed for user %u", "session_closed", "", false },
	{ "sshd", 86, "Failed password for %u from %c port %o ssh2", "ssh_login", "failure", true },
	{ "sshd", 86, "Disconnected from user %u %c port %o", "ssh_disconnected", "", true },
	{ "sshd", 86, "Failed password for invalid user %u from %c port %o ssh2", "ssh_login", "failure", true },
	{ "systemd-logind", 86, "New session %e of user %u.", "session_opened", "", false },
	{ "sshd", 86, "Accepted password for %u from %c port %o ssh2", "ssh_login", "success", true },
	{ "sshd", 86, "Connection closed by authenticating user %u %c port %o [preauth]", "ssh_connection_closed", "",
	  true },
	{ "sudo", 85, "%u : TTY=pts/%e ; PWD=/home/%u ; USER=root ; COMMAND=/usr/bin/systemctl status his-worker@%e",
	  "sudo_command", "success", false },
};

static const struct logon {
	uint16_t id;
	uint8_t type;
	const char *package, *status;
} logons[] = {
	{ 4624, 3, "Kerberos", "0x0" },     { 4634, 3, "Kerberos", "0x0" },  { 4672, 3, "Kerberos", "0x0" },
	{ 4624, 3, "NTLM", "0x0" },         { 4776, 3, "NTLM", "0x0" },      { 4625, 3, "NTLM", "0xc000006a" },
	{ 4624, 7, "Negotiate", "0x0" },    { 4624, 2, "Negotiate", "0x0" }, { 4624, 5, "Negotiate", "0x0" },
	{ 4625, 10, "NTLM", "0xc0000064" },
};

/* Slots: u user, x random number, y random bytes, z a number that repeats. */
static const struct program {
	const char *image, *command;
	uint8_t parent; /* its place in this list */
	bool system;
} programs[] = {
	{ "C:\\\\Windows\\\\System32\\\\svchost.exe",
	  "C:\\\\Windows\\\\system32\\\\svchost.exe -k netsvcs -p -s task%z", 9, true },
	{ "C:\\\\Program Files\\\\Google\\\\Chrome\\\\Application\\\\chrome.exe",
	  "\\\"C:\\\\Program Files\\\\Google\\\\Chrome\\\\Application\\\\chrome.exe\\\" --type=renderer --lang=vi "
	  "--renderer-client-id=%z --launch-time-ticks=%x --mojo-platform-channel-handle=%h /prefetch:1",
	  1, false },
	{ "C:\\\\Windows\\\\System32\\\\conhost.exe",
	  "\\\\??\\\\C:\\\\Windows\\\\system32\\\\conhost.exe 0xffffffff -ForceV1", 5, false },
	{ "C:\\\\Program Files\\\\HIS\\\\bin\\\\his-client.exe", "his-client.exe --session %y --user %u --room %z", 8,
	  false },
	{ "C:\\\\Windows\\\\System32\\\\wbem\\\\WmiPrvSE.exe",
	  "C:\\\\Windows\\\\system32\\\\wbem\\\\wmiprvse.exe -secured -Embedding", 0, true },
	{ "C:\\\\Windows\\\\System32\\\\cmd.exe", "C:\\\\Windows\\\\system32\\\\cmd.exe /c C:\\\\ops\\\\job%z.cmd %x",
	  0, true },
	{ "C:\\\\Windows\\\\System32\\\\WindowsPowerShell\\\\v1.0\\\\powershell.exe",
	  "powershell.exe -NoProfile -ExecutionPolicy Bypass -File C:\\\\ops\\\\inventory%z.ps1 -Id %x", 0, true },
	{ "C:\\\\Windows\\\\System32\\\\taskhostw.exe", "taskhostw.exe Install $(Arg0)", 0, true },
	{ "C:\\\\Windows\\\\explorer.exe", "C:\\\\Windows\\\\Explorer.EXE", 9, false },
	{ "C:\\\\Windows\\\\System32\\\\services.exe", "C:\\\\Windows\\\\system32\\\\services.exe", 9, true },
	{ "C:\\\\Program Files\\\\LibreOffice\\\\program\\\\soffice.bin",
	  "\\\"C:\\\\Program Files\\\\LibreOffice\\\\program\\\\soffice.bin\\\" -o D:\\\\hoso\\\\%z\\\\BA_%x.odt", 8,
	  false },
	{ "C:\\\\Windows\\\\System32\\\\backgroundTaskHost.exe",
	  "\\\"C:\\\\Windows\\\\system32\\\\backgroundTaskHost.exe\\\" -ServerName:App.AppX%y.mca", 0, false },
	{ "C:\\\\Windows\\\\System32\\\\reg.exe", "reg.exe query HKLM\\\\SOFTWARE\\\\HIS /v Version%z", 5, true },
	{ "C:\\\\Program Files\\\\Pacs\\\\dcmsend.exe", "dcmsend.exe --aetitle XN%z pacs-02 104 D:\\\\dicom\\\\%y.dcm",
	  8, false },
	{ "C:\\\\Windows\\\\System32\\\\spoolsv.exe", "C:\\\\Windows\\\\System32\\\\spoolsv.exe", 9, true },
	{ "C:\\\\Windows\\\\System32\\\\schtasks.exe", "schtasks.exe /Query /TN \\\\HIS\\\\sync%z /FO CSV", 5, true },
	{ "C:\\\\Windows\\\\System32\\\\net.exe", "net use Z: \\\\\\\\SRV-FILE-51\\\\hoso%z /persistent:no", 5, false },
	{ "C:\\\\Windows\\\\System32\\\\whoami.exe", "whoami /all", 5, false },
};

static const struct service {
	uint16_t port;
	bool udp;
} services[] = {
	{ 443, false }, { 53, true },    { 445, false }, { 80, false },   { 389, false },  { 88, false },
	{ 123, true },  { 1433, false }, { 104, false }, { 8080, false }, { 3389, false }, { 22, false },
};

#endif
