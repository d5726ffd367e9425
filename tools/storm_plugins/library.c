/* Answers with its input; notes the number of each call that it begins. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const char *(*id)(void);
    const char *(*name)(void);
    const char *(*version)(void);
    int (*initialize)(void);
    char *(*execute)(const char *input);
    int (*shutdown)(void);
} PluginInterface;

static int notes = -1;

static const char *name(void) { return "library"; }
static const char *version(void) { return "1.0.0"; }
static int nothing(void) { return 0; }

static int initialize(void)
{
    notes = open(getenv("NOTES"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    return notes < 0;
}

/* Do what the second word says, and return the input. */
static char *execute(const char *input)
{
    char verb[16] = "", line[32];
    long number = 0;
    int taken = 0;
    sscanf(input, "%ld %15s %n", &number, verb, &taken);
    int length = snprintf(line, sizeof line, "%ld\n", number);
    if (write(notes, line, length) != length)
        abort();
    if (!strcmp(verb, "sleep"))
        usleep(atoi(input + taken) * 1000);
    else if (!strcmp(verb, "die"))
        abort();
    else if (!strcmp(verb, "raise"))
        return NULL;
    else if (!strcmp(verb, "garbage"))
        dprintf(3, "no frame at all, but a line of text that goes on and on");
    else if (!strcmp(verb, "flood"))
        for (int left = 20000; left > 0; left--)
            dprintf(1, "flood\n");
    else if (!strcmp(verb, "spin"))
        for (;;)
            ;
    return strdup(input);
}

void free_string(char *text) { free(text); }

static PluginInterface plugin = {name, name, version, initialize, execute, nothing};

PluginInterface *create_plugin(void) { return &plugin; }
