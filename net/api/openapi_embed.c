/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of docs/openapi.yaml in the program: the build names the file. */
#include "api/openapi.h"

#ifndef STAMPEDE_OPENAPI_YAML_PATH
#error "the build defines STAMPEDE_OPENAPI_YAML_PATH: where docs/openapi.yaml is"
#endif

__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        ".globl stampede_openapi_yaml\n"
        ".hidden stampede_openapi_yaml\n"
        "stampede_openapi_yaml:\n"
        ".incbin \"" STAMPEDE_OPENAPI_YAML_PATH "\"\n"
        ".globl stampede_openapi_yaml_end\n"
        ".hidden stampede_openapi_yaml_end\n"
        "stampede_openapi_yaml_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char stampede_openapi_yaml[];
extern const char stampede_openapi_yaml_end[];

const char *openapi_yaml(size_t *length_out)
{
    *length_out = (size_t)(stampede_openapi_yaml_end - stampede_openapi_yaml);
    return stampede_openapi_yaml;
}
