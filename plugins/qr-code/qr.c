/* QR codes by ISO/IEC 18004, in byte mode: choose a version, add error correction, draw, mask. */

#include "qr.h"

enum { LOW, MEDIUM, QUARTILE, HIGH, LEVELS };
enum { MOST_CODEWORDS = 3706, MOST_CHECKS = 30 };

static const uint8_t checks_per_block[LEVELS][40] = {
    { 7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28,
      28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30 },
    { 10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26,
      26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28 },
    { 13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30,
      28, 30, 30, 30, 30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30 },
    { 17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28,
      30, 24, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30 },
};

static const uint8_t blocks_of[LEVELS][40] = {
    { 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8,
      8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25 },
    { 1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16,
      17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49 },
    { 1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20,
      23, 23, 25, 27, 29, 34, 34, 35, 38, 40, 43, 45, 48, 51, 53, 56, 59, 62, 65, 68 },
    { 1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25,
      25, 34, 30, 32, 35, 37, 40, 42, 45, 48, 51, 54, 57, 60, 63, 66, 70, 74, 77, 81 },
};

static uint8_t fixed[QR_LARGEST][QR_LARGEST];  /* modules that are no data */
static QrCode masked;

/* ---- how much fits */

/* Codewords of a version: all modules but the patterns', eight to a codeword. */
static int codewords(int version)
{
    int modules = (16 * version + 128) * version + 64;
    if (version >= 2) {
        int lines = version / 7 + 2;
        modules -= (25 * lines - 10) * lines - 55;
        if (version >= 7)
            modules -= 36;
    }
    return modules / 8;
}

static int data_codewords(int version, int level)
{
    return codewords(version) - checks_per_block[level][version - 1] * blocks_of[level][version - 1];
}

static int fits(int count, int version, int level)
{
    int length_bits = version < 10 ? 8 : 16;
    return 4 + length_bits + 8 * count <= 8 * data_codewords(version, level);
}

/* ---- error correction: Reed-Solomon over the field of 256 elements, by x^8 + x^4 + x^3 + x^2 + 1 */

static uint8_t times(uint8_t a, uint8_t b)
{
    unsigned product = 0;
    for (int bit = 7; bit >= 0; bit--) {
        product = product << 1 ^ (product >> 7) * 0x11d;
        product ^= (b >> bit & 1) * a;
    }
    return (uint8_t)product;
}

/* The generator's coefficients, from the highest power on, the leading 1 left out. */
static void generator(int degree, uint8_t *made)
{
    uint8_t root = 1;
    for (int i = 0; i < degree; i++)
        made[i] = i == degree - 1;
    for (int i = 0; i < degree; i++) {
        for (int j = 0; j < degree; j++)
            made[j] = times(made[j], root) ^ (j + 1 < degree ? made[j + 1] : 0);
        root = times(root, 2);
    }
}

static void remainder_of(const uint8_t *data, int count, const uint8_t *divisor, int degree, uint8_t *left)
{
    for (int i = 0; i < degree; i++)
        left[i] = 0;
    for (int i = 0; i < count; i++) {
        uint8_t factor = data[i] ^ left[0];
        for (int j = 0; j < degree; j++)
            left[j] = (j + 1 < degree ? left[j + 1] : 0) ^ times(divisor[j], factor);
    }
}

/* Splits the data into blocks, adds each one's checks, and puts them together byte by byte. */
static void interleave(const uint8_t *data, int version, int level, uint8_t *all)
{
    static uint8_t left[MOST_CHECKS];
    int blocks = blocks_of[level][version - 1], checks = checks_per_block[level][version - 1];
    int total = codewords(version), longer = total % blocks, shortest = total / blocks - checks;
    int longest = shortest + (longer > 0);
    uint8_t divisor[MOST_CHECKS];
    generator(checks, divisor);
    for (int block = 0; block < blocks; block++) {
        int is_longer = block >= blocks - longer;
        int count = shortest + is_longer;
        remainder_of(data, count, divisor, checks, left);
        for (int i = 0; i < count; i++) {
            int before = i < shortest ? block : block - (blocks - longer);
            all[i * blocks + before] = data[i];
        }
        for (int i = 0; i < checks; i++)
            all[shortest * blocks + (longest > shortest ? longer : 0) + i * blocks + block] = left[i];
        data += count;
    }
}

/* ---- drawing */

static void put(QrCode *code, int row, int column, int dark)
{
    code->dark[row][column] = dark != 0;
    fixed[row][column] = 1;
}

static int distance(int a, int b)
{
    return a < b ? b - a : a - b;
}

/* A square of rings around a centre: dark where the distance isn't one of the two that are light. */
static void rings(QrCode *code, int row, int column, int reach, int light, int border)
{
    for (int y = row - reach; y <= row + reach; y++)
        for (int x = column - reach; x <= column + reach; x++) {
            int down = distance(y, row), across = distance(x, column), ring = down > across ? down : across;
            if (y >= 0 && y < code->size && x >= 0 && x < code->size)
                put(code, y, x, ring != light && ring != border);
        }
}

static void alignment(QrCode *code, int version)
{
    int lines = version / 7 + 2, last = code->size - 7;
    int step = version == 32 ? 26 : (version * 4 + lines * 2 + 1) / (lines * 2 - 2) * 2;
    int at[7] = { 6 };
    if (version == 1)
        return;
    for (int i = lines - 1; i >= 1; i--)
        at[i] = last - (lines - 1 - i) * step;
    for (int i = 0; i < lines; i++)
        for (int j = 0; j < lines; j++)
            if (!((i == 0 && (j == 0 || j == lines - 1)) || (i == lines - 1 && j == 0)))
                rings(code, at[i], at[j], 2, 1, -1);
}

/* A number with the remainder of its division by a generator behind it. */
static unsigned checked(unsigned number, int bits, unsigned polynomial)
{
    unsigned rest = number;
    for (int i = 0; i < bits; i++)
        rest = rest << 1 ^ (rest >> (bits - 1)) * polynomial;
    return number << bits | rest;
}

static void format(QrCode *code, int level, int mask)
{
    static const uint8_t numbers[LEVELS] = { 1, 0, 3, 2 };
    unsigned bits = checked((unsigned)(numbers[level] << 3 | mask), 10, 0x537) ^ 0x5412;
    int size = code->size;
    for (int i = 0; i < 15; i++) {
        int dark = bits >> i & 1;
        /* once around the upper left, once beside the two others */
        put(code, i < 6 ? i : i < 8 ? i + 1 : 8, i < 8 ? 8 : i == 8 ? 7 : 14 - i, dark);
        put(code, i < 8 ? 8 : size - 15 + i, i < 8 ? size - 1 - i : 8, dark);
    }
    put(code, size - 8, 8, 1);
}

static void patterns(QrCode *code, int version)
{
    int size = code->size = 17 + 4 * version;
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++)
            fixed[i][j] = code->dark[i][j] = 0;
    for (int i = 0; i < size; i++) {
        put(code, 6, i, i % 2 == 0);
        put(code, i, 6, i % 2 == 0);
    }
    rings(code, 3, 3, 4, 2, 4);
    rings(code, 3, size - 4, 4, 2, 4);
    rings(code, size - 4, 3, 4, 2, 4);
    alignment(code, version);
    format(code, LOW, 0);
    if (version >= 7) {
        unsigned bits = checked((unsigned)version, 12, 0x1f25);
        for (int i = 0; i < 18; i++) {
            put(code, size - 11 + i % 3, i / 3, bits >> i & 1);
            put(code, i / 3, size - 11 + i % 3, bits >> i & 1);
        }
    }
}

/* Fills the rest in columns of two, up and down, from the right. */
static void fill(QrCode *code, const uint8_t *all, int bits)
{
    int size = code->size, i = 0;
    for (int right = size - 1; right >= 1; right -= 2) {
        if (right == 6)
            right = 5;
        for (int step = 0; step < size; step++) {
            int row = (right + 1) & 2 ? step : size - 1 - step;
            for (int column = right; column > right - 2; column--)
                if (!fixed[row][column] && i < bits) {
                    code->dark[row][column] = all[i >> 3] >> (7 - (i & 7)) & 1;
                    i++;
                }
        }
    }
}

static int inverted(int mask, int y, int x)
{
    switch (mask) {
    case 0: return (y + x) % 2 == 0;
    case 1: return y % 2 == 0;
    case 2: return x % 3 == 0;
    case 3: return (y + x) % 3 == 0;
    case 4: return (y / 2 + x / 3) % 2 == 0;
    case 5: return y * x % 2 + y * x % 3 == 0;
    case 6: return (y * x % 2 + y * x % 3) % 2 == 0;
    default: return ((y + x) % 2 + y * x % 3) % 2 == 0;
    }
}

/* ---- choosing the mask: long runs, blocks, patterns like a corner's, and one colour's excess are bad to read */

static int at(const QrCode *code, int line, int place, int turned)
{
    return turned ? code->dark[place][line] : code->dark[line][place];
}

static int line_penalty(const QrCode *code, int line, int turned)
{
    int penalty = 0, run = 0, colour = -1;
    unsigned last = 0;
    for (int i = 0; i < code->size; i++) {
        int dark = at(code, line, i, turned);
        run = dark == colour ? run + 1 : 1;
        colour = dark;
        penalty += run == 5 ? 3 : run > 5;
        last = (last << 1 | (unsigned)dark) & 0x7ff;
        if (i >= 10 && (last == 0x05d || last == 0x5d0))
            penalty += 40;
    }
    return penalty;
}

static int penalty(const QrCode *code)
{
    int found = 0, dark = 0, size = code->size, area = size * size, excess;
    for (int i = 0; i < size; i++)
        found += line_penalty(code, i, 0) + line_penalty(code, i, 1);
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            int here = code->dark[i][j];
            dark += here;
            if (i && j && here == code->dark[i - 1][j] && here == code->dark[i][j - 1] &&
                here == code->dark[i - 1][j - 1])
                found += 3;
        }
    excess = distance(dark * 20, area * 10);
    return found + excess / area * 10;
}

static void choose_mask(QrCode *code, int level)
{
    int best = -1, least = 0, size = code->size;
    for (int mask = 0; mask <= 8; mask++) {
        int chosen = mask < 8 ? mask : best, found;
        masked.size = size;
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++)
                masked.dark[y][x] = code->dark[y][x] ^ (!fixed[y][x] && inverted(chosen, y, x));
        format(&masked, level, chosen);
        found = penalty(&masked);
        if (best < 0 || (mask < 8 && found < least)) {
            best = chosen;
            least = found;
        }
    }
    *code = masked;
}

/* ---- all of it */

static void add_bits(uint8_t *data, int *length, unsigned value, int count)
{
    for (int i = count - 1; i >= 0; i--, (*length)++)
        data[*length >> 3] |= (value >> i & 1) << (7 - (*length & 7));
}

int qr_encode(const uint8_t *bytes, int count, QrCode *code)
{
    static uint8_t data[MOST_CODEWORDS], all[MOST_CODEWORDS];
    int version = 1, level = MEDIUM, length = 0, room;
    if (!fits(count, 40, level) && !fits(count, 40, level = LOW))
        return 0;
    while (!fits(count, version, level))
        version++;
    while (level >= MEDIUM && level < HIGH && fits(count, version, level + 1))
        level++;
    room = data_codewords(version, level);
    for (int i = 0; i < room; i++)
        data[i] = 0;
    add_bits(data, &length, 4, 4);  /* bytes follow */
    add_bits(data, &length, (unsigned)count, version < 10 ? 8 : 16);
    for (int i = 0; i < count; i++)
        add_bits(data, &length, bytes[i], 8);
    length += 4;  /* the end, as far as there is room for it */
    for (int i = (length + 7) / 8, pad = 0xec; i < room; i++, pad ^= 0xec ^ 0x11)
        data[i] = (uint8_t)pad;
    interleave(data, version, level, all);
    patterns(code, version);
    fill(code, all, 8 * codewords(version));
    choose_mask(code, level);
    return 1;
}
