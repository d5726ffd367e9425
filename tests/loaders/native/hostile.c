/* Misbehaves as the variable HOSTILE says while it is loaded, and as the input says when it is called. */

#include "plugin.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int freed;

static int told(const char *what)
{
    const char *value = getenv("HOSTILE");
    return value && !strcmp(value, what);
}

static void crash(void) { *(volatile int *)8 = 1; }

static int deeper(volatile char *above)
{
    volatile char here[4096];
    here[0] = above[0];
    return deeper(here) + here[0];
}

static void *thread(void *unused)
{
    crash();
    return unused;
}

__attribute__((constructor)) static void loaded(void)
{
    if (told("crash in constructor"))
        crash();
}

static const char *id(void) { return told("other id") ? "somebody-else" : "subject"; }
static const char *name(void) { return told("name not text") ? "\xff" : told("name null") ? NULL : "Subject"; }
static const char *version(void) { return told("other version") ? "9.9.9" : "1.0.0"; }

static int initialize(void)
{
    if (told("crash in initialize"))
        crash();
    return told("initialize fails") ? 7 : 0;
}

static char *execute(const char *input)
{
    char *made;
    if (!strcmp(input, "segfault")) {
        printf("about to crash\n");
        crash();
    }
    if (!strcmp(input, "abort"))
        abort();
    if (!strcmp(input, "overflow"))
        deeper((volatile char *)input);
    if (!strcmp(input, "exit"))
        exit(0);
    if (!strcmp(input, "_exit"))
        _exit(5);
    if (!strcmp(input, "trap"))
        raise(SIGFPE);
    if (!strcmp(input, "thread")) {
        pthread_t made_thread;
        pthread_create(&made_thread, NULL, thread, NULL);
        pthread_join(made_thread, NULL);
    }
    if (!strcmp(input, "null"))
        return NULL;
    if (!strcmp(input, "latin"))
        return "caf\xe9";
    if (!strcmp(input, "static"))
        return "a string that nobody allocated";
    if (!strcmp(input, "partial")) {
        printf("no line break");
        return "printed";
    }
    made = malloc(strlen(input) + 32);
    if (!strcmp(input, "freed"))
        sprintf(made, "%d", freed);
    else
        strcpy(made, input);
    return made;
}

static int shut_down(void)
{
    if (told("crash in shutdown"))
        crash();
    return told("shutdown fails") ? 9 : 0;
}

PluginInterface *create_plugin(void)
{
    static PluginInterface table = { id, name, version, initialize, execute, shut_down };
    if (told("null table"))
        return NULL;
    if (told("wild table"))
        return (PluginInterface *)16;
    if (told("null members"))
        table.execute = NULL, table.shutdown = NULL;
    if (told("crash in create_plugin"))
        crash();
    if (told("exit in create_plugin"))
        exit(0);
    return &table;
}

char *plugin_shout(const char *input)
{
    char *made = malloc(strlen(input) + 2);
    return strcat(strcpy(made, input), "!");
}

#ifdef FREE
void free_string(char *value)
{
    freed++;
    free(value);
}
#endif
