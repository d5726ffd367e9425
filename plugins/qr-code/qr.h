/* QR codes of bytes, versions 1 to 40. */

#ifndef QR_H
#define QR_H

#include <stdint.h>

enum { QR_LARGEST = 177, QR_MOST_BYTES = 2953 };

typedef struct {
    int size;                               /* modules on a side */
    uint8_t dark[QR_LARGEST][QR_LARGEST];   /* by row and column: 1 is dark */
} QrCode;

/* Makes the smallest code of the bytes, with the best error correction that fits in it. Returns 0 where they are too
   many for any. */
int qr_encode(const uint8_t *bytes, int count, QrCode *code);

#endif
