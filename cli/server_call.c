/* SPDX-License-Identifier: Apache-2.0 */
#include "server_call.h"

#include <yyjson.h>

#include "commands.h"

bool server_key_read(const struct options *options, char key_out[ADMIN_KEY_LENGTH_MAX + 1])
{
    bool is_own = options->admin_key_file[0] == 0;
    char path[4200];
    char error[OPTION_ERROR_MAX];

    snprintf(path, sizeof(path), "%s%s", is_own ? options->data : options->admin_key_file,
             is_own ? "/admin.key" : "");
    if (admin_key_open(path, false, key_out, NULL, error, sizeof(error)) == 0)
        return true;
    complain("%s (name the server's key with --admin-key-file FILE, or its folder with --data DIR)",
             error);
    return false;
}

static const char *text_of(yyjson_val *document, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(document, name));

    return text != NULL ? text : "";
}

int server_call_refused(const char *what, const struct upload_answer *answer)
{
    yyjson_doc *json = yyjson_read(answer->body, answer->length, 0);
    yyjson_val *document = yyjson_doc_get_root(json);
    yyjson_val *error = yyjson_arr_get_first(yyjson_obj_get(document, "errors"));
    const char *detail = text_of(document, "detail");

    if (answer->status == 401 || answer->status == 403)
        complain("the server refuses the admin key (%d %s): name its own with"
                 " --admin-key-file FILE",
                 answer->status, text_of(document, "code"));
    else if (error != NULL)
        complain("the server refuses the %s (%d %s): %s %s", what, answer->status,
                 text_of(document, "code"), text_of(error, "field"), text_of(error, "message"));
    else
        complain("the %s failed: %d %s%s%s", what, answer->status, text_of(document, "code"),
                 detail[0] != 0 ? ": " : "", detail);
    yyjson_doc_free(json);
    return STATUS_USAGE;
}
