/* Does what the conformance suite asks. With -DBYTES it exports execute_bytes too. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    const char *(*id)(void);
    const char *(*name)(void);
    const char *(*version)(void);
    int (*initialize)(void);
    char *(*execute)(const char *input);
    int (*shutdown)(void);
} PluginInterface;

static char complaint[256];
static int counted;

static char *copy(const char *text, size_t size)
{
    char *made = malloc(size + 1);
    if (made) {
        memcpy(made, text, size);
        made[size] = '\0';
    }
    return made;
}

static char *text(const char *value)
{
    return copy(value, strlen(value));
}

static char *failed(const char *why)
{
    snprintf(complaint, sizeof complaint, "%s", why);
    return NULL;
}

static void pause_for(long milliseconds)
{
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

static char *spawn(void)
{
    pid_t child;
    char *arguments[] = { "/bin/true", NULL };
    int error = posix_spawn(&child, arguments[0], NULL, NULL, arguments, NULL);
    int status = 0;
    if (error)
        return failed(strerror(error));
    if (waitpid(child, &status, 0) < 0 || status != 0)
        return failed("it did not run");
    return text("started");
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *made = calloc(1, 65536);
    if (!file || !made)
        return failed(strerror(errno));
    if (!fread(made, 1, 65535, file) && ferror(file))
        return failed(strerror(errno));
    fclose(file);
    return made;
}

static char *write_file(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return failed(strerror(errno));
    if (fputc('x', file) == EOF || fclose(file))
        return failed(strerror(errno));
    return text("written");
}

static char *connect_to(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
    int made = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (made < 0 || connect(made, (struct sockaddr *)&address, sizeof address))
        return failed(strerror(errno));
    close(made);
    return text("connected");
}

static char *flood(long bytes)
{
    char line[101];
    memset(line, 'f', 99);
    strcpy(line + 99, "\n");
    for (long written = 0; written < bytes; written += 100)
        fputs(line, stdout);
    return text("flooded");
}

static char *answer(const char *verb, const char *argument)
{
    char number[32];
    char *made;
    if (!strcmp(verb, "count")) {
        snprintf(number, sizeof number, "%d", ++counted);
        return text(number);
    }
    if (!strcmp(verb, "raise"))
        return failed(argument);
    if (!strcmp(verb, "exit"))
        exit(3);
    if (!strcmp(verb, "hang"))
        for (;;)
            pause_for(3600000);
    if (!strcmp(verb, "sleep")) {
        pause_for(atol(argument));
        return text("slept");
    }
    if (!strcmp(verb, "print")) {
        puts(argument);
        fprintf(stderr, "%s\n", argument);
        return text("printed");
    }
    if (!strcmp(verb, "flood"))
        return flood(atol(argument));
    if (!strcmp(verb, "big")) {
        size_t size = (size_t)atol(argument);
        made = malloc(size + 1);
        if (!made)
            return failed("out of memory");
        memset(made, 'x', size);
        made[size] = '\0';
        return made;
    }
    if (!strcmp(verb, "alloc")) {
        size_t size = (size_t)atol(argument) << 20;
        made = malloc(size);
        if (!made)
            return failed("out of memory");
        memset(made, 1, size);
        free(made);
        return text("allocated");
    }
    if (!strcmp(verb, "spawn"))
        return spawn();
    if (!strcmp(verb, "read"))
        return read_file(argument);
    if (!strcmp(verb, "write"))
        return write_file(argument);
    if (!strcmp(verb, "connect"))
        return connect_to(atoi(argument));
    if (!strcmp(verb, "env"))
        return text(getenv(argument) ? getenv(argument) : "");
    if (!strcmp(verb, "pid")) {
        snprintf(number, sizeof number, "%d", (int)getpid());
        return text(number);
    }
    return failed("no such verb");
}

static char *dispatch(const char *input, size_t size, size_t *result_size)
{
    const char *space = memchr(input, ' ', size);
    size_t length = space ? (size_t)(space - input) : size;
    const char *argument = space ? space + 1 : "";
    char verb[16] = "";
    char *made;
    complaint[0] = '\0';
    if (length < sizeof verb)
        memcpy(verb, input, length);
    if (!strcmp(verb, "echo")) {
        *result_size = space ? size - length - 1 : 0;
        return copy(argument, *result_size);
    }
    made = answer(verb, argument);
    *result_size = made ? strlen(made) : 0;
    return made;
}

static const char *id(void) { return "conformance"; }
static const char *name(void) { return "Conformance"; }
static const char *version(void) { return "1.0.0"; }

static int initialize(void)
{
    const char *told = getenv("CONFORMANCE_INIT");
    if (told && !strcmp(told, "hang"))
        for (;;)
            pause_for(3600000);
    return told && !strcmp(told, "raise");
}

static char *execute(const char *input)
{
    size_t size;
    return dispatch(input, strlen(input), &size);
}

static int shutdown_plugin(void)
{
    puts("goodbye");
    return 0;
}

PluginInterface *create_plugin(void)
{
    static PluginInterface table = { id, name, version, initialize, execute, shutdown_plugin };
    return &table;
}

const char *last_error(void) { return complaint; }

void free_string(char *value) { free(value); }

#ifdef BYTES
char *execute_bytes(const char *input, size_t size, size_t *result_size)
{
    return dispatch(input, size, result_size);
}
#endif
