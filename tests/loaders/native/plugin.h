/* The interface of a native plugin, as the seed of the project prints it. */

#include <stddef.h>

typedef struct {
    const char *(*id)(void);
    const char *(*name)(void);
    const char *(*version)(void);
    int (*initialize)(void);
    char *(*execute)(const char *input);
    int (*shutdown)(void);
} PluginInterface;
