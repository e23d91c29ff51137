/* Short names of fields: what people write, and where the sources of events put it. */
#include "hunt/ast.h"

#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ECS first; then Winlogbeat and Windows, Sysmon, Linux audit, proxies and clouds as they name it themselves. */
static const struct hunt_alias aliases[] = {
	{ "time", FIELDS("@timestamp"), false, "when it happened" },
	{ "host", FIELDS("host.name", "winlog.computer_name", "Computer", "Hostname", "host"), false,
	  "the machine it happened on" },
	{ "dataset", FIELDS("event.dataset", "dataset"), false, "the source, as --dataset takes it" },
	{ "message", FIELDS("message", "MESSAGE", "msg"), true, "what the program says" },
	{ "raw", FIELDS("event.original"), true, "the line as it was received" },
	{ "user",
	  FIELDS("user.name", "winlog.event_data.TargetUserName", "TargetUserName", "winlog.event_data.User", "User",
	         "winlog.event_data.SubjectUserName", "SubjectUserName", "acct", "user"),
	  false, "who did it, or to whom it was done" },
	{ "src_ip",
	  FIELDS("source.ip", "client.ip", "source.address", "winlog.event_data.SourceIp", "SourceIp",
	         "winlog.event_data.IpAddress", "IpAddress", "sourceIPAddress", "c-ip", "id.orig_h", "src_ip", "src"),
	  false, "the address it came from" },
	{ "src_port", FIELDS("source.port", "client.port", "winlog.event_data.SourcePort", "SourcePort", "src_port"),
	  false, "and the port" },
	{ "dst_ip",
	  FIELDS("destination.ip", "server.ip", "winlog.event_data.DestinationIp", "DestinationIp", "s-ip", "id.resp_h",
	         "dst_ip", "dst"),
	  false, "the address it went to" },
	{ "dst_port",
	  FIELDS("destination.port", "server.port", "winlog.event_data.DestinationPort", "DestinationPort", "dst_port"),
	  false, "and the port" },
	{ "program", FIELDS("process.name", "program"), false, "name of the program" },
	{ "image",
	  FIELDS("process.executable", "winlog.event_data.Image", "Image", "winlog.event_data.NewProcessName", "exe"),
	  false, "path of the program" },
	{ "cmdline", FIELDS("process.command_line", "winlog.event_data.CommandLine", "CommandLine"), false,
	  "how it was called" },
	{ "parent",
	  FIELDS("process.parent.executable", "process.parent.name", "winlog.event_data.ParentImage", "ParentImage"),
	  false, "the program that called it" },
	{ "pid", FIELDS("process.pid", "winlog.event_data.ProcessId", "ProcessId", "pid"), false, "its number" },
	{ "file", FIELDS("file.path", "winlog.event_data.TargetFilename", "TargetFilename", "file"), false,
	  "path of a file" },
	{ "method", FIELDS("http.request.method", "cs-method", "method"), false, "GET, POST..." },
	{ "url", FIELDS("url.original", "c-uri", "url.path", "cs-uri-stem", "url"), false, "what was asked for" },
	{ "status", FIELDS("http.response.status_code", "sc-status", "status"), false,
	  "answer of a web server: 200, 404..." },
	{ "bytes", FIELDS("http.response.body.bytes", "http.response.bytes", "sc-bytes", "bytes"), false, "its size" },
	{ "agent", FIELDS("user_agent.original", "cs-user-agent", "agent"), false,
	  "the browser or program that asked" },
	{ "domain",
	  FIELDS("dns.question.name", "winlog.event_data.QueryName", "QueryName", "url.domain", "destination.domain",
	         "domain"),
	  false, "the name that was asked for" },
	{ "action", FIELDS("event.action", "action"), false, "what was done" },
	{ "outcome", FIELDS("event.outcome", "outcome"), false, "success or failure" },
	{ "event_id", FIELDS("winlog.event_id", "event.code", "EventID", "event_id"), false,
	  "number of a Windows event" },
	{ "channel", FIELDS("winlog.channel", "Channel", "channel"), false, "and where Windows keeps it" },
	{ "md5", FIELDS("file.hash.md5", "process.hash.md5", "dll.hash.md5", "md5"), false,
	  "hash of a file or program" },
	{ "sha1", FIELDS("file.hash.sha1", "process.hash.sha1", "dll.hash.sha1", "sha1"), false, "the same" },
	{ "sha256", FIELDS("file.hash.sha256", "process.hash.sha256", "dll.hash.sha256", "sha256"), false, "the same" },
	{ "id", FIELDS("khien.id"), false, "the event itself" },
	/* Prose under its full name. */
	{ "event.original", FIELDS("event.original"), true, "raw" },
	{ "error.message", FIELDS("error.message"), true, "what a program says of an error" },
};

const struct hunt_alias *hunt_aliases(size_t *n)
{
	*n = ARRAY_LEN(aliases);
	return aliases;
}

const struct hunt_alias *hunt_alias(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (str_eq(name, str_from(aliases[i].name)))
			return &aliases[i];
	return NULL;
}

const struct str *hunt_fields_of(struct str name, struct arena *arena, size_t *n)
{
	const struct hunt_alias *a = hunt_alias(name);
	size_t count = a ? 0 : 1;
	while (a && a->fields[count])
		count++;
	struct str *fields = arena_alloc(arena, count * sizeof(*fields));
	if (!fields)
		return NULL;
	fields[0] = name;
	for (size_t i = 0; a && i < count; i++)
		fields[i] = str_from(a->fields[i]);
	*n = count;
	return fields;
}
