/* What a native plugin gives to DevKit. A C++ source includes it as it is. */

#ifndef PLUGIN_H
#define PLUGIN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *(*id)(void);
    const char *(*name)(void);
    const char *(*version)(void);
    int (*initialize)(void);
    char *(*execute)(const char *input);
    int (*shutdown)(void);
} PluginInterface;

/* The one function that a library must export. The table has to outlive the call. */
PluginInterface *create_plugin(void);

/* May be exported: releases what execute returned. Without it nothing is ever released. */
void free_string(char *text);

/* May be exported: takes the settings that the manifest describes in [config], as JSON, before initialize
   and when some change; returns 0 where it takes them. */
int configure(const char *json);

/* May be exported: why the last function returned NULL, or another one something else than 0. */
const char *last_error(void);

/* May be exported: is called in the place of execute, with any bytes, NUL among them. */
char *execute_bytes(const char *input, size_t size, size_t *result_size);

#ifdef __cplusplus
}
#endif

#endif
