/* Names of indices, as shippers write to them, and what they say about the dataset. */
#ifndef KHIEN_API_INDEX_NAME_H
#define KHIEN_API_INDEX_NAME_H

#include "base/str.h"

enum { INDEX_NAME_MAX = 255, INDEX_DATASET_MAX = 64 };

/* What Elasticsearch lets be the name of an index, upper case and date math (<name-{now/d}>) too. */
bool index_name_valid(struct str name);
/*
 * A data stream's name is TYPE-DATASET-NAMESPACE (type: logs, metrics, traces, synthetics): DATASET. Of another name
 * what is left without the dates, versions and numbers at its end: filebeat-8.11.3-2026.11.22-000001 is "filebeat".
 * A view into name, at most INDEX_DATASET_MAX bytes, not cut within a character; empty only for an empty name.
 */
struct str index_name_dataset(struct str name);

#endif
