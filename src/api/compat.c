/*
 * What shippers that speak to Elasticsearch ask before they send, and the least that makes them begin: everything they
 * want to set up is there already, and what they set up all the same is acknowledged and let be.
 */
#include "api/routes.h"

#define ENDPOINT(name, words) const struct endpoint name = { .text = words }

/*
 * Beats refuse a server that is older than themselves, clients one whose major version or tagline they don't know: so
 * it is the last of the eighth.
 */
ENDPOINT(compat_root, "{\"name\":\"khien\",\"cluster_name\":\"khien\",\"cluster_uuid\":\"khienkhienkhienkhienkh\","
                      "\"version\":{\"number\":\"8.99.0\",\"build_flavor\":\"default\",\"build_type\":\"deb\","
                      "\"build_hash\":\"0000000000000000000000000000000000000000\","
                      "\"build_date\":\"2026-01-01T00:00:00.000Z\",\"build_snapshot\":false,"
                      "\"lucene_version\":\"9.12.0\",\"minimum_wire_compatibility_version\":\"7.17.0\","
                      "\"minimum_index_compatibility_version\":\"7.0.0\"},\"tagline\":\"You Know, for Search\"}");

ENDPOINT(compat_license, "{\"license\":{\"status\":\"active\",\"uid\":\"00000000-0000-4000-8000-000000000000\","
                         "\"type\":\"basic\",\"mode\":\"basic\",\"issue_date\":\"2026-01-01T00:00:00.000Z\","
                         "\"issue_date_in_millis\":1767225600000,\"max_nodes\":1000,\"issued_to\":\"khien\","
                         "\"issuer\":\"khien\",\"start_date_in_millis\":-1}}");

ENDPOINT(compat_xpack, "{\"build\":{\"hash\":\"0000000000000000000000000000000000000000\","
                       "\"date\":\"2026-01-01T00:00:00.000Z\"},"
                       "\"license\":{\"uid\":\"00000000-0000-4000-8000-000000000000\",\"type\":\"basic\","
                       "\"mode\":\"basic\",\"status\":\"active\"},"
                       "\"features\":{\"ilm\":{\"available\":true,\"enabled\":true},"
                       "\"security\":{\"available\":true,\"enabled\":true},"
                       "\"data_streams\":{\"available\":true,\"enabled\":true}},\"tagline\":\"You know, for X\"}");

ENDPOINT(compat_health, "{\"cluster_name\":\"khien\",\"status\":\"green\",\"timed_out\":false,\"number_of_nodes\":1,"
                        "\"number_of_data_nodes\":1,\"active_primary_shards\":1,\"active_shards\":1,"
                        "\"relocating_shards\":0,\"initializing_shards\":0,\"unassigned_shards\":0,"
                        "\"delayed_unassigned_shards\":0,\"number_of_pending_tasks\":0,"
                        "\"number_of_in_flight_fetch\":0,\"task_max_waiting_in_queue_millis\":0,"
                        "\"active_shards_percent_as_number\":100.0}");

const struct endpoint compat_cat_health = {
	.text = "1767225600 00:00:00 khien green 1 1 1 1 0 0 0 0 - 100.0%",
	.type = "text/plain; charset=UTF-8",
};

/* No address is told: a client that looks for further nodes stays with the one it has. */
ENDPOINT(compat_nodes,
         "{\"_nodes\":{\"total\":1,\"successful\":1,\"failed\":0},\"cluster_name\":\"khien\",\"nodes\":{}}");

/* Filebeat's modules look whether their pipelines could run. */
ENDPOINT(compat_nodes_ingest,
         "{\"_nodes\":{\"total\":1,\"successful\":1,\"failed\":0},\"cluster_name\":\"khien\",\"nodes\":{\"khien\":{"
         "\"name\":\"khien\",\"version\":\"8.99.0\",\"roles\":[\"data\",\"ingest\",\"master\"],"
         "\"ingest\":{\"processors\":["
         "{\"type\":\"append\"},{\"type\":\"convert\"},{\"type\":\"csv\"},{\"type\":\"date\"},{\"type\":\"dissect\"},"
         "{\"type\":\"drop\"},{\"type\":\"foreach\"},{\"type\":\"geoip\"},{\"type\":\"grok\"},{\"type\":\"gsub\"},"
         "{\"type\":\"join\"},{\"type\":\"json\"},{\"type\":\"kv\"},{\"type\":\"lowercase\"},{\"type\":\"pipeline\"},"
         "{\"type\":\"remove\"},{\"type\":\"rename\"},{\"type\":\"script\"},{\"type\":\"set\"},{\"type\":\"split\"},"
         "{\"type\":\"trim\"},{\"type\":\"uppercase\"},{\"type\":\"urldecode\"},{\"type\":\"user_agent\"}]}}}}");

ENDPOINT(compat_settings, "{\"persistent\":{},\"transient\":{}}");
ENDPOINT(compat_acknowledged, "{\"acknowledged\":true}");
ENDPOINT(compat_index_created, "{\"acknowledged\":true,\"shards_acknowledged\":true,\"index\":$}");
ENDPOINT(compat_exists, "{}");
ENDPOINT(compat_ilm_status, "{\"operation_mode\":\"RUNNING\"}");

ENDPOINT(compat_template, "{$:{\"order\":1,\"index_patterns\":[$],\"settings\":{},\"mappings\":{},\"aliases\":{}}}");
ENDPOINT(compat_index_template, "{\"index_templates\":[{\"name\":$,\"index_template\":{\"index_patterns\":[$],"
                                "\"template\":{},\"composed_of\":[],\"data_stream\":{}}}]}");
ENDPOINT(compat_component_template,
         "{\"component_templates\":[{\"name\":$,\"component_template\":{\"template\":{}}}]}");
ENDPOINT(compat_policy,
         "{$:{\"version\":1,\"modified_date\":\"2026-01-01T00:00:00.000Z\",\"policy\":{\"phases\":{}}}}");
ENDPOINT(compat_pipeline, "{$:{\"description\":\"khien\",\"processors\":[]}}");
ENDPOINT(compat_alias, "{$:{\"aliases\":{$:{\"is_write_index\":true}}}}");
ENDPOINT(compat_data_stream, "{\"data_streams\":[{\"name\":$,\"timestamp_field\":{\"name\":\"@timestamp\"},"
                             "\"indices\":[],\"generation\":1,\"status\":\"GREEN\",\"template\":$}]}");

static void cat_templates(struct request *r)
{
	buf_add(&r->out, r->name);
	buf_add(&r->out, STR(" [*] 1\n"));
}

const struct endpoint compat_cat_templates = { .type = "text/plain; charset=UTF-8", .answer = cat_templates };
