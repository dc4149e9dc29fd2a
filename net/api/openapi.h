/* SPDX-License-Identifier: Apache-2.0 */
/* docs/openapi.yaml, which is built into the program, as JSON. Start-up thread. */
#ifndef STAMPEDE_API_OPENAPI_H
#define STAMPEDE_API_OPENAPI_H

#include "api/render.h"

/* Converts YAML to JSON: block and flow collections; quoted and literal scalars are strings, plain
 * ones are resolved by YAML's core schema (null, true, false, integers, decimals; all else is
 * text). Anchors, aliases, tags and several documents are refused. False with a line for people. */
bool openapi_yaml_to_json(const char *yaml, size_t length, struct writer *json_out, char *error,
                          size_t error_size);

/* The embedded document. */
const char *openapi_yaml(size_t *length_out);

/* A page that shows the document (its JSON); uses nothing from elsewhere. False without memory or
 * if it is no OpenAPI document. documentation.c. */
bool documentation_render(const char *json, size_t length, struct writer *html_out);

#endif
