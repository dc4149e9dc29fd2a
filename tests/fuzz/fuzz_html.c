/* SPDX-License-Identifier: Apache-2.0 */
/* HTML from elsewhere: whatever comes in, only what a page of the shop may hold comes out.
 *
 * Input: the HTML. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/html.h"
#include "html_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Exactly as large as it must be, so that the sanitizer sees the first byte too many. */
    char *source = malloc(size + (size == 0));
    struct writer writer = writer_growing();

    assert(source != NULL);
    if (size > 0)
        memcpy(source, data, size);
    write_safe_html(&writer, source, size);
    assert(html_is_safe(writer.start, writer_length(&writer)));
    writer_free(&writer);
    free(source);
    return 0;
}
