/* Checksums and compressed sizes of any bytes, by the system's zlib. */

#include "plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* What a small input may inflate to before we stop counting: a megabyte can hold a gigabyte. */
#define INFLATED_LIMIT (1ULL << 30)
#define ANSWER_SIZE 512
#define STEP (1U << 28) /* zlib counts in unsigned int */

static char complaint[128];
static unsigned char window[1 << 16]; /* where output goes that only its size is wanted of */

static const char *id(void) { return "checksum"; }
static const char *name(void) { return "Checksum"; }
static const char *version(void) { return "1.0.0"; }

/* The header is what the code was compiled with; the library is what runs. */
static int initialize(void)
{
    if (zlibVersion()[0] != ZLIB_VERSION[0]) {
        snprintf(complaint, sizeof complaint, "zlib %s is not the %s it was built for", zlibVersion(), ZLIB_VERSION);
        return 1;
    }
    return 0;
}

static int shut_down(void) { return 0; }

static unsigned long summed(unsigned long (*sum)(unsigned long, const unsigned char *, unsigned int),
                            const unsigned char *data, size_t size)
{
    unsigned long value = sum(0, NULL, 0);
    while (size) {
        unsigned int step = size < STEP ? (unsigned int)size : STEP;
        value = sum(value, data, step);
        data += step;
        size -= step;
    }
    return value;
}

/* Gives the next piece of the input to a stream that has used up the last one. */
static void feed(z_stream *stream, const unsigned char **data, size_t *size)
{
    if (stream->avail_in == 0) {
        stream->next_in = (unsigned char *)*data;
        stream->avail_in = *size < STEP ? (unsigned int)*size : STEP;
        *data += stream->avail_in;
        *size -= stream->avail_in;
    }
}

/* Returns 0, and the size of the input deflated at zlib's usual level, as a zlib stream. */
static int deflated(const unsigned char *data, size_t size, unsigned long long *answer)
{
    z_stream stream = { 0 };
    int status = deflateInit(&stream, Z_DEFAULT_COMPRESSION);
    if (status != Z_OK)
        return status;
    *answer = 0;
    do {
        feed(&stream, &data, &size);
        stream.next_out = window;
        stream.avail_out = sizeof window;
        status = deflate(&stream, size ? Z_NO_FLUSH : Z_FINISH);
        *answer += sizeof window - stream.avail_out;
    } while (status == Z_OK);
    deflateEnd(&stream);
    return status == Z_STREAM_END ? 0 : status;
}

/* Returns 0, and the size of what a whole zlib or gzip stream inflates to; 1 where the input is none. */
static int inflated(const unsigned char *data, size_t size, unsigned long long *answer)
{
    z_stream stream = { 0 };
    int status = inflateInit2(&stream, 15 + 32); /* 32: zlib or gzip, as its first bytes say */
    if (status != Z_OK)
        return status;
    *answer = 0;
    do {
        feed(&stream, &data, &size);
        stream.next_out = window;
        stream.avail_out = sizeof window;
        status = inflate(&stream, Z_NO_FLUSH);
        *answer += sizeof window - stream.avail_out;
    } while (status == Z_OK && *answer <= INFLATED_LIMIT);
    inflateEnd(&stream);
    if (status == Z_MEM_ERROR)
        return status;
    return status == Z_STREAM_END && stream.avail_in == 0 && size == 0 ? 0 : 1;
}

char *execute_bytes(const char *input, size_t size, size_t *result_size)
{
    const unsigned char *data = (const unsigned char *)input;
    unsigned long long small = 0, large = 0;
    char *answer = malloc(ANSWER_SIZE);
    int compressed, unpacked, written;

    if (!answer) {
        snprintf(complaint, sizeof complaint, "out of memory");
        return NULL;
    }
    compressed = deflated(data, size, &small);
    unpacked = inflated(data, size, &large);
    if (compressed != 0 || unpacked < 0) {
        snprintf(complaint, sizeof complaint, "zlib: %s", zError(compressed ? compressed : unpacked));
        free(answer);
        return NULL;
    }
    written = snprintf(answer, ANSWER_SIZE, "{\"bytes\": %zu, \"crc32\": \"%08lx\", \"adler32\": \"%08lx\", \"deflated\": %llu",
                       size, summed(crc32, data, size), summed(adler32, data, size), small);
    if (unpacked == 0)
        written += snprintf(answer + written, ANSWER_SIZE - (size_t)written, ", \"inflated\": %llu", large);
    written += snprintf(answer + written, ANSWER_SIZE - (size_t)written, "}");
    *result_size = (size_t)written;
    return answer;
}

/* The table's own execute, for hosts that know no execute_bytes. */
static char *execute(const char *input)
{
    size_t size;
    char *answer = execute_bytes(input, strlen(input), &size);
    if (answer)
        answer[size] = '\0';
    return answer;
}

PluginInterface *create_plugin(void)
{
    static PluginInterface table = { id, name, version, initialize, execute, shut_down };
    return &table;
}

void free_string(char *text) { free(text); }

const char *last_error(void) { return complaint; }
