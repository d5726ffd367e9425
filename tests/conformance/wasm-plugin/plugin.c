/* Does what the conformance suite asks: as a reactor, or with -DCOMMAND as a command. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT(name) __attribute__((export_name(name)))

static char complaint[256];
static int counted;

static char *text(const char *value)
{
    return strdup(value);
}

static char *failed(const char *why)
{
    snprintf(complaint, sizeof complaint, "%s", why);
    return NULL;
}

static char *number(int value)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%d", value);
    return text(digits);
}

static char *pause_for(long milliseconds)
{
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    nanosleep(&time, NULL);
    return text("slept");
}

static char *print(const char *line)
{
    printf("%s\n", line);
    fflush(stdout);
    fprintf(stderr, "%s\n", line);
    return text("printed");
}

static char *flood(long bytes)
{
    char line[101];
    memset(line, 'f', 99);
    strcpy(line + 99, "\n");
    for (long written = 0; written < bytes; written += 100)
        fputs(line, stdout);
    fflush(stdout);
    return text("flooded");
}

static char *fill(size_t size, int letter)
{
    char *made = malloc(size + 1);
    if (!made)
        return failed("out of memory");
    memset(made, letter, size);
    made[size] = '\0';
    return made;
}

static char *allocate(size_t size)
{
    char *made = fill(size, 1);
    free(made);
    return made ? text("allocated") : NULL;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *made = calloc(1, 65536);
    if (!file || !made)
        return failed(strerror(errno));
    fread(made, 1, 65535, file);
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

static char *hang(void)
{
    for (;;)
        pause_for(3600000);
}

static char *answer(const char *verb, const char *argument)
{
    const char *value;
    if (!strcmp(verb, "echo"))
        return text(argument);
    if (!strcmp(verb, "count"))
        return number(++counted);
    if (!strcmp(verb, "raise"))
        return failed(argument);
    if (!strcmp(verb, "exit"))
        exit(3);
    if (!strcmp(verb, "hang"))
        return hang();
    if (!strcmp(verb, "sleep"))
        return pause_for(atol(argument));
    if (!strcmp(verb, "print"))
        return print(argument);
    if (!strcmp(verb, "flood"))
        return flood(atol(argument));
    if (!strcmp(verb, "big"))
        return fill((size_t)atol(argument), 'x');
    if (!strcmp(verb, "alloc"))
        return allocate((size_t)atol(argument) << 20);
    if (!strcmp(verb, "read"))
        return read_file(argument);
    if (!strcmp(verb, "write"))
        return write_file(argument);
    if (!strcmp(verb, "env")) {
        value = getenv(argument);
        return text(value ? value : "");
    }
    return failed("no such verb");
}

EXPORT("execute") char *execute(const char *input)
{
    const char *space = strchr(input, ' ');
    size_t length = space ? (size_t)(space - input) : strlen(input);
    char verb[16] = "";
    if (length < sizeof verb)
        memcpy(verb, input, length);
    return answer(verb, space ? space + 1 : "");
}

#ifdef COMMAND

static char *read_input(void)
{
    size_t room = 1 << 16, size = 0, got;
    char *made = malloc(room);
    while (made && (got = fread(made + size, 1, room - size - 1, stdin)) > 0) {
        size += got;
        if (room - size < 2)
            made = realloc(made, room *= 2);
    }
    if (made)
        made[size] = '\0';
    return made;
}

int main(int count, char **arguments)
{
    char *input = count > 2 ? arguments[2] : read_input();
    char *made = input ? execute(input) : failed("out of memory");
    if (!made) {
        fprintf(stderr, "%s\n", complaint);
        return 1;
    }
    fputs(made, stdout);
    return 0;
}

#else

EXPORT("last_error") const char *last_error(void)
{
    return complaint;
}

EXPORT("initialize") int initialize(void)
{
    const char *how = getenv("CONFORMANCE_INIT");
    if (how && !strcmp(how, "hang"))
        hang();
    if (how)
        failed("told to fail");
    return how != NULL;
}

EXPORT("shutdown") int shutdown_(void)
{
    puts("goodbye");
    fflush(stdout);
    return 0;
}

#endif
