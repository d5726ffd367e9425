/* The plugin: a text in, its QR code as SVG out, by the plain ABI. Needs no library. */

#include "qr.h"

#define EXPORT(name) __attribute__((export_name(name)))

enum { QUIET = 4 };  /* light modules around a code */

static const char too_long[] = "a QR code holds at most 2953 bytes";
static const char head[] = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ";
static const char middle[] = "\" shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h";
static const char tail[] = "\"/></svg>\n";

static uint8_t *input;
static uint32_t room;
static char output[1 << 19];  /* the largest code has 177 * 89 runs at most, of at most 17 letters each */
static QrCode code;

EXPORT("devkit_alloc") uint8_t *devkit_alloc(uint32_t size)
{
    if (size > room) {
        uint32_t pages = (size + 65535) / 65536;
        uint32_t first = (uint32_t)__builtin_wasm_memory_grow(0, pages);
        if (first == UINT32_MAX)
            return 0;
        input = (uint8_t *)(uintptr_t)(first * 65536);
        room = pages * 65536;
    }
    return input;
}

static uint64_t packed(const char *text, uint32_t length)
{
    return (uint64_t)(uintptr_t)text << 32 | length;
}

static char *add(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    return to;
}

static char *add_number(char *to, int number)
{
    if (number >= 10)
        to = add_number(to, number / 10);
    *to++ = (char)('0' + number % 10);
    return to;
}

/* A letter and a number, as a path's command. */
static char *go(char *to, char letter, int number)
{
    *to++ = letter;
    return add_number(to, number);
}

static char *draw(char *to)
{
    int whole = code.size + 2 * QUIET;
    to = add_number(add(to, head), whole);
    *to++ = ' ';
    to = add_number(to, whole);
    to = add_number(add(to, middle), whole);
    to = go(to, 'v', whole);
    to = add(to, "H0z\"/><path d=\"");
    for (int row = 0; row < code.size; row++)
        for (int column = 0; column < code.size; column++) {
            int begin = column;
            while (column < code.size && code.dark[row][column])
                column++;
            if (column > begin) {
                to = go(to, 'M', begin + QUIET);
                to = go(to, ' ', row + QUIET);
                to = go(to, 'h', column - begin);
                to = add(to, "v1H");
                to = add_number(to, begin + QUIET);
                *to++ = 'z';
            }
        }
    return add(to, tail);
}

EXPORT("devkit_execute") uint64_t devkit_execute(const uint8_t *text, uint32_t length)
{
    if (length > QR_MOST_BYTES || !qr_encode(text, (int)length, &code))
        return packed(too_long, sizeof too_long - 1) | 1u << 31;
    return packed(output, (uint32_t)(draw(output) - output));
}
